{{- /* One list for both: each volume with where it is mounted. Rendered as YAML, read by the two below. */ -}}
{{- define "postern.places" -}}
{{- $v := .Values -}}
{{- if eq $v.ledger.type "sqlite" }}
- path: /var/lib/postern
  writable: true
  volume:
    name: ledger
    {{- if $v.ledger.sqlite.persistence.enabled }}
    persistentVolumeClaim: {claimName: {{ include "postern.claim" . | toYaml }}}
    {{- else }}
    emptyDir: {}
    {{- end }}
{{- end }}
{{- if ne (include "postern.certificates" .) "built-in" }}
- path: /etc/postern/tls
  volume: {name: tls, secret: {secretName: {{ include "postern.tlsSecret" . | toYaml }}, defaultMode: 288}}
{{- end }}
{{- with $v.tls.clientCA.existingSecret }}
- path: /etc/postern/client-ca
  volume: {name: client-ca, secret: {secretName: {{ toYaml . }}, defaultMode: 288}}
{{- end }}
{{- with $v.tls.tokenSecret }}
- path: /etc/postern/token
  volume: {name: token, secret: {secretName: {{ toYaml . }}, defaultMode: 288}}
{{- end }}
{{- with $v.ledger.signingKey.existingSecret }}
- path: /etc/postern/signing
  volume: {name: signing-key, secret: {secretName: {{ toYaml . }}, defaultMode: 288}}
{{- end }}
{{- with $v.forward.existingSecret }}
- path: /etc/postern/forward
  volume: {name: forward, secret: {secretName: {{ toYaml . }}, defaultMode: 288}}
{{- end }}
{{- with $v.settingsFile.existingConfigMap }}
- path: /etc/postern/settings
  volume: {name: settings, configMap: {name: {{ toYaml . }}, defaultMode: 292}}
{{- end }}
{{- with $v.policies.existingConfigMap }}
- path: /etc/postern/policies
  volume: {name: policies, configMap: {name: {{ toYaml . }}, defaultMode: 292}}
{{- end }}
{{- end -}}

{{- define "postern.volumes" -}}
{{- $volumes := list -}}
{{- range include "postern.places" . | fromYamlArray }}{{ $volumes = append $volumes .volume }}{{ end -}}
{{- with concat $volumes .Values.extraVolumes }}{{ toYaml . }}{{ end -}}
{{- end -}}

{{- define "postern.mounts" -}}
{{- $mounts := list -}}
{{- range include "postern.places" . | fromYamlArray -}}
{{- $mount := dict "name" .volume.name "mountPath" .path -}}
{{- if not .writable }}{{ $_ := set $mount "readOnly" true }}{{ end -}}
{{- $mounts = append $mounts $mount -}}
{{- end -}}
{{- with concat $mounts .Values.extraVolumeMounts }}{{ toYaml . }}{{ end -}}
{{- end -}}
