{{- define "dorami.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The labels that select the pods of a component: (list . "node") */}}
{{- define "dorami.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ default $root.Chart.Name $root.Values.nameOverride }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* All labels of an object of a component: (list . "node") */}}
{{- define "dorami.labels" -}}
{{- $root := index . 0 -}}
{{ include "dorami.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "dorami.secretName" -}}
{{- .Values.secrets.existingSecret | default (include "dorami.fullname" .) -}}
{{- end -}}

{{- define "dorami.redisSecretName" -}}
{{- .Values.redis.existingSecret | default (printf "%s-redis" (include "dorami.fullname" .)) -}}
{{- end -}}

{{/* The image of a component: (list . .Values.image.repository) */}}
{{- define "dorami.image" -}}
{{- $root := index . 0 -}}
{{ printf "%s:%s" (index . 1) ($root.Values.image.tag | default $root.Chart.AppVersion) | quote }}
{{- end -}}

{{/* A checksum of the settings, so that a change of them replaces the pods. */}}
{{- define "dorami.checksums" -}}
checksum/config: {{ include (print $.Template.BasePath "/configmap.yaml") . | sha256sum }}
checksum/secret: {{ include (print $.Template.BasePath "/secret.yaml") . | sha256sum }}
{{- end -}}

{{/* The common fields of all pods of the gateway. */}}
{{- define "dorami.pod" -}}
serviceAccountName: {{ include "dorami.fullname" . }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "dorami.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "dorami.environment" -}}
envFrom:
  - configMapRef:
      name: {{ include "dorami.fullname" . }}
  - secretRef:
      name: {{ include "dorami.secretName" . }}
env:
  - name: NODE_ID
    valueFrom:
      fieldRef:
        fieldPath: metadata.name
  {{- if .Values.redis.enabled }}
  - name: REDIS_PASSWORD
    valueFrom:
      secretKeyRef:
        name: {{ include "dorami.redisSecretName" . }}
        key: password
  - name: REDIS_URL
    value: redis://:$(REDIS_PASSWORD)@{{ include "dorami.fullname" . }}-redis:6379/0
  {{- end }}
{{- end -}}

{{- define "dorami.workerProbe" -}}
exec:
  command:
    - python
    - -c
    - import urllib.request; urllib.request.urlopen("http://127.0.0.1:{{ .Values.metrics.port }}/metrics", timeout=4)
{{- end -}}

{{/* valkey-cli exits with 0 even if the answer is LOADING or that memory is full. */}}
{{- define "dorami.redisProbe" }}
exec:
  command: [sh, -c, "test \"$(valkey-cli ping)\" = PONG"]
{{- end -}}

{{/* The value of a setting as text; Helm parses large numbers of a values file as floats. */}}
{{- define "dorami.setting" -}}
{{- if and (kindIs "float64" .) (eq (float64 (int64 .)) .) -}}
{{- int64 . | toString | quote -}}
{{- else if kindIs "invalid" . -}}
""
{{- else -}}
{{- toString . | quote -}}
{{- end -}}
{{- end -}}
