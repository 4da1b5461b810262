{{- define "postern.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "postern.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "postern.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "postern.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{- define "postern.image" -}}
{{- $parts := compact (list (.Values.global.imageRegistry | default .Values.image.registry) .Values.image.repository) -}}
{{- $tag := .Values.image.tag | default .Chart.AppVersion -}}
{{- join "/" $parts }}:{{ $tag }}{{ with .Values.image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{- /* By these the Service finds its pods; they never change. */ -}}
{{- define "postern.selector" -}}
app.kubernetes.io/name: {{ include "postern.name" . | toYaml }}
app.kubernetes.io/instance: {{ .Release.Name | toYaml }}
{{- end -}}

{{- /* Labels of an object: (list $ LABELS), where its own go before those of every object. */ -}}
{{- define "postern.labels" -}}
{{- $ := index . 0 -}}
{{ include "postern.selector" $ }}
app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
{{- with merge dict (index . 1 | default dict) ($.Values.commonLabels | default dict) }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* Name, labels and annotations of an object: (list $ NAME ANNOTATIONS LABELS), the last two may be left out. */ -}}
{{- define "postern.metadata" -}}
{{- $ := index . 0 -}}
{{- $own := dict -}}
{{- if gt (len .) 2 }}{{ $own = index . 2 | default dict }}{{ end -}}
{{- $labels := dict -}}
{{- if gt (len .) 3 }}{{ $labels = index . 3 }}{{ end -}}
name: {{ index . 1 | toYaml }}
labels:
  {{- include "postern.labels" (list $ $labels) | nindent 2 }}
{{- with merge dict $own ($.Values.commonAnnotations | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* The same with the namespace of the release. */ -}}
{{- define "postern.namespaced" -}}
{{ include "postern.metadata" . }}
namespace: {{ (index . 0).Release.Namespace | toYaml }}
{{- end -}}

{{- /* Whether every cluster has the namespace, with pods of others in it. */ -}}
{{- define "postern.everywhere" -}}
{{- if has .Release.Namespace (list "default" "kube-node-lease" "kube-public" "kube-system") }}yes{{ end -}}
{{- end -}}

{{- /* Which of the three ways the certificate comes: "existing", "cert-manager" or "built-in". */ -}}
{{- define "postern.certificates" -}}
{{- if .Values.tls.existingSecret -}}existing
{{- else if .Values.certManager.enabled -}}cert-manager
{{- else -}}built-in
{{- end -}}
{{- end -}}

{{- /* The Secret of a certificate that is made here. */ -}}
{{- define "postern.madeTlsSecret" -}}
{{- .Values.tls.secretName | default (printf "%s-tls" (include "postern.fullname" .)) -}}
{{- end -}}

{{- define "postern.tlsSecret" -}}
{{- .Values.tls.existingSecret | default (include "postern.madeTlsSecret" .) -}}
{{- end -}}

{{- define "postern.claim" -}}
{{- .Values.ledger.sqlite.persistence.existingClaim | default (printf "%s-ledger" (include "postern.fullname" .)) -}}
{{- end -}}

{{- define "postern.checkpointMap" -}}
{{- include "postern.fullname" . }}-checkpoints
{{- end -}}

{{- /* The ConfigMaps that checkpoints go to, as a map: the names of each namespace. */ -}}
{{- define "postern.checkpointMaps" -}}
{{- $maps := dict -}}
{{- if .Values.checkpoints.configMap.enabled -}}
{{- $maps = dict .Release.Namespace (list (include "postern.checkpointMap" .)) -}}
{{- end -}}
{{- range .Values.checkpoints.to -}}
{{- if hasPrefix "configmap:" . -}}
{{- $place := splitn "/" 2 (trimPrefix "configmap:" .) -}}
{{- $names := get $maps $place._0 | default list -}}
{{- $maps = set $maps $place._0 (append $names $place._1 | uniq) -}}
{{- end -}}
{{- end -}}
{{- toYaml $maps -}}
{{- end -}}

{{- /* Whether anything is asked of pods after a decision. */ -}}
{{- define "postern.readsPods" -}}
{{- range pick .Values.settings "followLimit" "scanInterval" }}{{ if ne (include "postern.milliseconds" .) "0" }}yes{{ end }}{{ end -}}
{{- end -}}
