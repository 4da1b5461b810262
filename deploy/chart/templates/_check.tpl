{{- /* What no schema can tell. Each says what to do instead. */ -}}
{{- define "postern.check" -}}
{{- $v := .Values -}}
{{- $name := include "postern.fullname" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- fail (printf "fullnameOverride: no Service can be called %s, after the release. Set a name that begins with a letter and has only lower-case letters, digits and -" $name) -}}
{{- end -}}
{{- if and (gt (int $v.replicaCount) 1) (eq $v.ledger.type "sqlite") -}}
{{- fail "replicaCount: more than one server cannot share a SQLite file. Set ledger.type=postgres and ledger.postgres.existingSecret, or replicaCount=1" -}}
{{- end -}}
{{- if eq $v.ledger.type "postgres" -}}
{{- if not $v.ledger.postgres.existingSecret -}}
{{- fail "ledger.postgres.existingSecret: name the Secret whose key `url` holds postgres://USER:PASSWORD@HOST/DATABASE?sslmode=verify-full" -}}
{{- end -}}
{{- if not (or $v.ledger.signingKey.generate $v.ledger.signingKey.existingSecret) -}}
{{- fail "ledger.signingKey: servers that share a ledger sign it with one key. Set ledger.signingKey.generate=true, and the first of them makes it; or bring one: openssl genpkey -algorithm ed25519 -out ledger.key; kubectl create secret generic postern-signing-key --from-file=ledger.key; ledger.signingKey.existingSecret=postern-signing-key" -}}
{{- end -}}
{{- end -}}
{{- if and $v.ledger.signingKey.generate (eq (include "postern.tlsSecret" .) (printf "%s-signing-key" (include "postern.fullname" .))) -}}
{{- fail "tls.secretName and tls.existingSecret: the key that signs the ledger is kept in the Secret of that name; want another" -}}
{{- end -}}
{{- if and $v.ledger.signingKey.generate $v.ledger.signingKey.existingSecret -}}
{{- fail "ledger.signingKey.generate and ledger.signingKey.existingSecret: only one of them can bring the key" -}}
{{- end -}}
{{- if and $v.tls.existingSecret $v.certManager.enabled -}}
{{- fail "tls.existingSecret and certManager.enabled: only one of them can bring the certificate" -}}
{{- end -}}
{{- if and $v.networkPolicy.enabled (not $v.networkPolicy.apiServerPorts) -}}
{{- fail "networkPolicy.apiServerPorts: without a port the rule for the API server would open every one to everywhere. Name them, or set networkPolicy.enabled=false" -}}
{{- end -}}
{{- if and $v.tls.caBundle (not $v.tls.existingSecret) -}}
{{- fail "tls.caBundle: it is for a certificate that you bring. Set tls.existingSecret too, or leave it to whoever makes the certificate" -}}
{{- end -}}
{{- if contains "PRIVATE KEY" $v.tls.caBundle -}}
{{- fail "tls.caBundle: it holds a private key, which everybody who may read webhook configurations would see. Want certificates alone: those of the authority" -}}
{{- end -}}
{{- $injects := false -}}
{{- range $key, $_ := $v.webhook.annotations }}{{ if contains "inject" $key }}{{ $injects = true }}{{ end }}{{ end -}}
{{- if and $v.tls.existingSecret (not $v.tls.caBundle) (not $injects) -}}
{{- fail "tls.caBundle: the API server must be told which authority (PEM) issued the certificate in tls.existingSecret: --set-file tls.caBundle=ca.pem, or an annotation in webhook.annotations by which something injects it" -}}
{{- end -}}
{{- if and $v.tls.clientCA.names (not $v.tls.clientCA.existingSecret) -}}
{{- fail "tls.clientCA.names: names tell nothing without the authority that vouches for them. Set tls.clientCA.existingSecret too" -}}
{{- end -}}
{{- if and (or $v.tls.lifetime $v.tls.caLifetime) (ne (include "postern.certificates" .) "built-in") -}}
{{- fail "tls.lifetime and tls.caLifetime: they are for certificates that Postern makes. Those of cert-manager have certManager.duration and certManager.caDuration, and one that you bring has its own" -}}
{{- end -}}
{{- if and (or $v.forward.tokenKey $v.forward.caKey) (not $v.forward.existingSecret) -}}
{{- fail "forward.existingSecret: name the Secret that has the keys of forward.tokenKey and forward.caKey" -}}
{{- end -}}
{{- range concat $v.forward.to $v.checkpoints.to -}}
{{- if and $v.forward.tokenKey (regexMatch "^http:" .) (not (regexMatch "^http://(localhost|127(\\.[0-9]+){3}|\\[::1\\])([:/]|$)" .)) -}}
{{- fail "forward.to and checkpoints.to: forward.tokenKey is sent over https only. Want https://…, or no token" -}}
{{- end -}}
{{- end -}}
{{- if and (or $v.forward.tokenKey $v.forward.caKey) (not (or $v.forward.to $v.checkpoints.to $v.checkpoints.configMap.enabled $v.otlpEndpoint)) -}}
{{- fail "forward.tokenKey and forward.caKey: nothing is sent anywhere. Set forward.to, checkpoints.to or otlpEndpoint too" -}}
{{- end -}}
{{- if and $v.ledger.postgres.existingSecret (ne $v.ledger.type "postgres") -}}
{{- fail "ledger.postgres.existingSecret: it is not used unless ledger.type=postgres" -}}
{{- end -}}
{{- if and $v.namespace.create $v.hostNetwork (ne $v.namespace.podSecurity "privileged") -}}
{{- fail "hostNetwork: a namespace that enforces Pod Security admits no pod with it. Set namespace.podSecurity=privileged too" -}}
{{- end -}}
{{- if and $v.namespace.create (include "postern.everywhere" .) -}}
{{- fail (printf "namespace.create: every cluster has %s, and pods of others in it, which would be held to namespace.podSecurity. Set namespace.create=false" .Release.Namespace) -}}
{{- end -}}
{{- if and $v.policies.examples (not (.Capabilities.APIVersions.Has "postern.dev/v1alpha1")) -}}
{{- fail "policies.examples: DebugPolicy is not known to the cluster yet. Install first, then: helm upgrade … --reset-then-reuse-values --set policies.examples=true" -}}
{{- end -}}
{{- if has $v.breakGlass.group (list "system:authenticated" "system:unauthenticated" "system:serviceaccounts") -}}
{{- fail (printf "breakGlass.group: everybody is in %s, so nobody would be asked about. Name a group of few" $v.breakGlass.group) -}}
{{- end -}}
{{- $conditions := concat $v.webhook.validating.matchConditions $v.webhook.mutating.matchConditions -}}
{{- if and (or $v.breakGlass.group $conditions) (semverCompare "<1.28.0-0" .Capabilities.KubeVersion.Version) -}}
{{- fail (printf "breakGlass.group and matchConditions: Kubernetes knows conditions from 1.28 on, and this is %s" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- include "postern.checkLabels" . -}}
{{- if eq (int $v.ports.https) (int $v.ports.health) -}}
{{- fail "ports.https and ports.health: they must differ" -}}
{{- end -}}
{{- if regexMatch "^(127\\.|\\[[0:]+:0*1\\]$)" $v.listenAddress -}}
{{- fail (printf "listenAddress: at %s neither the API server nor the probes find the server. Want 0.0.0.0, or [::] where pods have IPv6 only" $v.listenAddress) -}}
{{- end -}}
{{- range $constraint := $v.topologySpreadConstraints -}}
{{- range list "maxSkew" "topologyKey" "whenUnsatisfiable" -}}
{{- if not (hasKey $constraint .) -}}
{{- fail (printf "topologySpreadConstraints: one lacks %s. Give each whole: --set of a part of one, by its index, takes the rest of the list away" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- include "postern.checkExtras" . -}}
{{- include "postern.checkFiles" . -}}
{{- include "postern.checkArguments" . -}}
{{- include "postern.checkTimes" . -}}
{{- include "postern.checkCertificateTimes" . -}}
{{- end -}}

{{- /* What there is twice the API server refuses, or takes one of them without a word. */ -}}
{{- define "postern.checkExtras" -}}
{{- $volumes := dict -}}
{{- $paths := dict -}}
{{- $variables := dict -}}
{{- range include "postern.places" . | fromYamlArray -}}
{{- $_ := set $volumes .volume.name "the chart's own" -}}
{{- $_ := set $paths .path "the chart's own" -}}
{{- end -}}
{{- range .Values.extraVolumes -}}
{{- $name := .name -}}
{{- with get $volumes $name }}{{ fail (printf "extraVolumes: a volume is called %s already, %s. Give this one another name" $name .) }}{{ end -}}
{{- $_ := set $volumes $name "another of extraVolumes" -}}
{{- end -}}
{{- range .Values.extraVolumeMounts -}}
{{- $path := clean .mountPath -}}
{{- with get $paths $path }}{{ fail (printf "extraVolumeMounts: something is mounted at %s already, %s. Mount this one elsewhere" $path .) }}{{ end -}}
{{- $_ := set $paths $path "another of extraVolumeMounts" -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- if hasKey $variables .name }}{{ fail (printf "extraEnv: %s is there twice. Give each variable once" .name) }}{{ end -}}
{{- $_ := set $variables .name "" -}}
{{- end -}}
{{- end -}}

{{- /* The container's own file system is read-only. */ -}}
{{- define "postern.checkFiles" -}}
{{- $folders := list -}}
{{- range include "postern.places" . | fromYamlArray }}{{ if .writable }}{{ $folders = append $folders .path }}{{ end }}{{ end -}}
{{- range .Values.extraVolumeMounts }}{{ if not .readOnly }}{{ $folders = append $folders .mountPath }}{{ end }}{{ end -}}
{{- range concat .Values.forward.to .Values.checkpoints.to -}}
{{- if hasPrefix "file:" . -}}
{{- $path := regexReplaceAll "^file:(//)?" . "" | regexFind "^[^?]*" | clean -}}
{{- $below := false -}}
{{- range $folders }}{{ if hasPrefix (printf "%s/" (clean .)) $path }}{{ $below = true }}{{ end }}{{ end -}}
{{- if not $below -}}
{{- fail (printf "forward.to and checkpoints.to: %s is on no volume that can be written. Mount one with extraVolumes and extraVolumeMounts, and name a file below its mountPath%s" . (ternary ", or below /var/lib/postern" "" (has "/var/lib/postern" $folders))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* What the chart finds its own by is nobody's to set. */ -}}
{{- define "postern.checkLabels" -}}
{{- $v := .Values -}}
{{- $maps := dict "commonLabels" $v.commonLabels "podLabels" $v.podLabels "serviceMonitor.labels" $v.serviceMonitor.labels "prometheusRule.labels" $v.prometheusRule.labels "grafana.dashboard.labels" $v.grafana.dashboard.labels -}}
{{- range $where, $labels := $maps -}}
{{- range $label := list "name" "instance" "version" -}}
{{- if hasKey ($labels | default dict) (printf "app.kubernetes.io/%s" $label) -}}
{{- fail (printf "%s: app.kubernetes.io/%s is the chart's own; by it and others the Service finds its pods" $where $label) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* A deadline below the API server's, and time to end: in milliseconds, as the schema lets them be written. */ -}}
{{- define "postern.checkTimes" -}}
{{- include "postern.checkRanges" . -}}
{{- $deadline := include "postern.milliseconds" .Values.settings.deadline | int -}}
{{- $drain := include "postern.milliseconds" .Values.settings.drainDelay | int -}}
{{- range $kind, $webhook := pick .Values.webhook "validating" "mutating" -}}
{{- if ge $deadline (mul 1000 (int $webhook.timeoutSeconds)) -}}
{{- fail (printf "settings.deadline: it must be shorter than webhook.%s.timeoutSeconds, or the API server hangs up before it hears why" $kind) -}}
{{- end -}}
{{- end -}}
{{- if le (mul 1000 (int .Values.terminationGracePeriodSeconds)) (add $deadline $drain 5000) -}}
{{- fail "terminationGracePeriodSeconds: it must be more than settings.drainDelay and settings.deadline together, and five seconds" -}}
{{- end -}}
{{- end -}}

{{- /* As `postern serve` takes them; it would not start, and with `Recreate` the pod before it is gone by then. */ -}}
{{- define "postern.checkRanges" -}}
{{- $v := .Values -}}
{{- $s := $v.settings -}}
{{- range list
  (list "settings.deadline" $s.deadline "10ms" "30s")
  (list "settings.drainDelay" $s.drainDelay "0s" "10m")
  (list "settings.clusterStaleLimit" $s.clusterStaleLimit "3s" "24h")
  (list "settings.accessAllowTtl" $s.accessAllowTtl "0s" "5m")
  (list "settings.accessDenyTtl" $s.accessDenyTtl "0s" "5m")
  (list "settings.followLimit" $s.followLimit "1s" "24h" "0s")
  (list "settings.scanInterval" $s.scanInterval "1s" "24h" "0s")
  (list "checkpoints.interval" $v.checkpoints.interval "1s" "24h")
  (list "tls.lifetime" ($v.tls.lifetime | default "90d") "10s" "3650d")
  (list "tls.caLifetime" ($v.tls.caLifetime | default "365d") "10s" "3650d")
-}}
{{- $given := include "postern.milliseconds" (index . 1) | int64 -}}
{{- $least := include "postern.milliseconds" (index . 2) | int64 -}}
{{- $most := include "postern.milliseconds" (index . 3) | int64 -}}
{{- $off := gt (len .) 4 -}}
{{- if and (or (lt $given $least) (gt $given $most)) (not (and $off (eq $given 0))) -}}
{{- fail (printf "%s: want %sa duration from %s to %s, not %s" (index . 0) (ternary "0s, or " "" $off) (index . 2) (index . 3) (index . 1)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Whoever vouches for a certificate must not end before it. */ -}}
{{- define "postern.checkCertificateTimes" -}}
{{- $tls := .Values.tls -}}
{{- $c := .Values.certManager -}}
{{- $lifetime := include "postern.milliseconds" ($tls.lifetime | default "90d") | int64 -}}
{{- if lt (include "postern.milliseconds" ($tls.caLifetime | default "365d") | int64) $lifetime -}}
{{- fail "tls.caLifetime: the authority must hold no less long than its certificate, tls.lifetime" -}}
{{- end -}}
{{- if eq (include "postern.certificates" .) "cert-manager" -}}
{{- $duration := include "postern.milliseconds" $c.duration | int64 -}}
{{- if le $duration (include "postern.milliseconds" $c.renewBefore | int64) -}}
{{- fail "certManager.renewBefore: it must be less than certManager.duration, or cert-manager takes neither" -}}
{{- end -}}
{{- if and (not $c.issuerRef) (lt (include "postern.milliseconds" $c.caDuration | int64) $duration) -}}
{{- fail "certManager.caDuration: the authority must hold no less long than its certificate, certManager.duration" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* What a value says is said by it alone: given as an argument or a variable it would pass all checks by. */ -}}
{{- define "postern.checkArguments" -}}
{{- $places := list -}}
{{- range .Values.extraArgs }}{{ $places = append $places (list "extraArgs" (regexFind "^--[a-z-]+" . | trimPrefix "--")) }}{{ end -}}
{{- range .Values.extraEnv -}}
{{- if hasPrefix "POSTERN_" .name -}}
{{- $places = append $places (list "extraEnv" (trimPrefix "POSTERN_" .name | lower | replace "_" "-")) -}}
{{- end -}}
{{- end -}}
{{- $instead := include "postern.instead" . | fromYaml -}}
{{- range $place := $places -}}
{{- with get $instead (index $place 1) -}}
{{- fail (printf "%s: --%s is the chart's to give. %s (docs/values.md)" (index $place 0) (index $place 1) .) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* By which value each flag is given. Those that may be given several times, and add up, are not here. */ -}}
{{- define "postern.instead" -}}
listen: Set listenAddress and ports.https
health-listen: Set listenAddress and ports.health
tls-cert: Set tls.existingSecret
tls-key: Set tls.existingSecret
tls-secret: Set tls.secretName
webhook-configurations: Set fullnameOverride
tls-lifetime: Set tls.lifetime
tls-ca-lifetime: Set tls.caLifetime
tls-min-version: Set tls.minVersion
client-ca: Set tls.clientCA.existingSecret
client-names: Set tls.clientCA.names
token-file: Set tls.tokenSecret
cluster-policies: They are always asked for; policies.existingConfigMap gives others beside them
cluster-stale-limit: Set settings.clusterStaleLimit
access-allow-ttl: Set settings.accessAllowTtl
access-deny-ttl: Set settings.accessDenyTtl
pod-events: Set settings.podEvents
follow-limit: Set settings.followLimit
scan-interval: Set settings.scanInterval
ledger: Set ledger.type, and ledger.postgres.existingSecret
ledger-key: Set ledger.signingKey.generate or ledger.signingKey.existingSecret
checkpoint-interval: Set checkpoints.interval
keep-for: Set ledger.keepFor
keep-records: Set ledger.keepRecords
keep-bytes: Set ledger.keepBytes
forward: Set forward.to
forward-ca: Set forward.existingSecret and forward.caKey
forward-token: Set forward.existingSecret and forward.tokenKey
checkpoint-to: Set checkpoints.to
otlp-endpoint: Set otlpEndpoint
enforcement: Set enforcement
deadline: Set settings.deadline
drain-delay: Set settings.drainDelay
max-in-flight: Set settings.maxInFlight
cluster-name: Set clusterName
writer: No two servers may share a name, so each has its pod's, and the one with a SQLite ledger the release's
log-format: Set logFormat
log-level: Set logLevel
config: Set settingsFile.existingConfigMap
metrics-exemplars: Set metricsExemplars
danger-allow-on-ledger-failure: Set settings.dangerAllowOnLedgerFailure
{{- end -}}

{{- /* Any duration as the schema lets it be written; days too. */ -}}
{{- define "postern.milliseconds" -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 -}}
{{- mul (regexFind "^[0-9]+" . | float64 | int64) (get $units (regexFind "[a-z]+$" .)) -}}
{{- end -}}
