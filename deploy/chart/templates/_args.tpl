{{- /* What `postern serve` is told: a YAML list. */ -}}
{{- define "postern.args" -}}
{{- $v := .Values -}}
{{- $s := $v.settings -}}
{{- $name := include "postern.fullname" . -}}
- serve
{{- if eq $v.ledger.type "sqlite" }}
- --ledger=sqlite:/var/lib/postern/ledger.db
# A name that outlives the pod: the next one goes on with the same chain of records.
- --writer={{ $name }}
{{- end }}
{{- with $v.ledger.signingKey.existingSecret }}
- --ledger-key=/etc/postern/signing/{{ $v.ledger.signingKey.key }}
{{- end }}
{{- if $v.ledger.signingKey.generate }}
# In the namespace of the pod.
- --ledger-key=secret:{{ $name }}-signing-key
{{- end }}
{{- with $v.ledger.keepFor }}
- --keep-for={{ . }}
{{- end }}
{{- with $v.ledger.keepRecords }}
- --keep-records={{ int64 . }}
{{- end }}
{{- with $v.ledger.keepBytes }}
- --keep-bytes={{ . }}
{{- end }}
- --checkpoint-interval={{ $v.checkpoints.interval }}
{{- if $v.checkpoints.configMap.enabled }}
- --checkpoint-to=configmap:{{ .Release.Namespace }}/{{ include "postern.checkpointMap" . }}
{{- end }}
{{- range $v.checkpoints.to }}
- {{ printf "--checkpoint-to=%s" . | quote }}
{{- end }}
{{- include "postern.tlsArgs" . }}
- --listen={{ $v.listenAddress }}:{{ $v.ports.https }}
- --health-listen={{ $v.listenAddress }}:{{ $v.ports.health }}
- --cluster-policies
{{- with $v.policies.existingConfigMap }}
- --policies=/etc/postern/policies
{{- end }}
- {{ printf "--cluster-name=%s" $v.clusterName | quote }}
- --enforcement={{ $v.enforcement }}
- --deadline={{ $s.deadline }}
- --drain-delay={{ $s.drainDelay }}
- --max-in-flight={{ int $s.maxInFlight }}
- --cluster-stale-limit={{ $s.clusterStaleLimit }}
- --access-allow-ttl={{ $s.accessAllowTtl }}
- --access-deny-ttl={{ $s.accessDenyTtl }}
- --pod-events={{ $s.podEvents }}
- --follow-limit={{ $s.followLimit }}
- --scan-interval={{ $s.scanInterval }}
- --log-format={{ $v.logFormat }}
{{- if $v.settingsFile.existingConfigMap }}
- --config=/etc/postern/settings/postern.yaml
{{- else }}
- --log-level={{ $v.logLevel }}
{{- end }}
{{- if $v.metricsExemplars }}
- --metrics-exemplars
{{- end }}
{{- with $v.otlpEndpoint }}
- --otlp-endpoint={{ . }}
{{- end }}
{{- if $s.dangerAllowOnLedgerFailure }}
- --danger-allow-on-ledger-failure
{{- end }}
{{- range $v.forward.to }}
- {{ printf "--forward=%s" . | quote }}
{{- end }}
{{- with $v.forward.tokenKey }}
- --forward-token=/etc/postern/forward/{{ . }}
{{- end }}
{{- with $v.forward.caKey }}
- --forward-ca=/etc/postern/forward/{{ . }}
{{- end }}
{{- with $v.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "postern.tlsArgs" -}}
{{- $v := .Values -}}
{{- $name := include "postern.fullname" . -}}
{{- if eq (include "postern.certificates" .) "built-in" }}
- --tls-secret={{ .Release.Namespace }}/{{ include "postern.madeTlsSecret" . }}
{{- else }}
- --tls-cert=/etc/postern/tls/tls.crt
- --tls-key=/etc/postern/tls/tls.key
{{- end }}
- --tls-names={{ $name }}.{{ .Release.Namespace }}.svc
{{- if eq (include "postern.certificates" .) "built-in" }}
- --webhook-configurations={{ $name }}
{{- with $v.tls.lifetime }}
- --tls-lifetime={{ . }}
{{- end }}
{{- with $v.tls.caLifetime }}
- --tls-ca-lifetime={{ . }}
{{- end }}
{{- end }}
{{- with $v.tls.clientCA.existingSecret }}
- --client-ca=/etc/postern/client-ca/{{ $v.tls.clientCA.key }}
{{- end }}
{{- with $v.tls.clientCA.names }}
- {{ printf "--client-names=%s" (join "," .) | quote }}
{{- end }}
{{- with $v.tls.tokenSecret }}
- --token-file=/etc/postern/token/token
{{- end }}
{{- with $v.tls.minVersion }}
- --tls-min-version={{ . }}
{{- end }}
{{- end -}}
