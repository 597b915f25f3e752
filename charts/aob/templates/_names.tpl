{{- define "aob.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "aob.full" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "aob.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "aob.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{/* What selects the pods of a part: (list . "gateway") */}}
{{- define "aob.select" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "aob.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "aob.labels" -}}
{{- $root := index . 0 -}}
{{ include "aob.select" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: aob
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* An image: (list . "gateway" "aob-gateway") */}}
{{- define "aob.image" -}}
{{- $root := index . 0 -}}
{{- $name := index . 2 -}}
{{- with $root.Values.image.registry -}}{{- $name = printf "%s/%s" . $name -}}{{- end -}}
{{- $digest := get $root.Values.image.digests (index . 1) -}}
{{- if $digest -}}
{{ $name }}@{{ $digest }}
{{- else -}}
{{ $name }}:{{ default $root.Chart.AppVersion $root.Values.image.tag }}
{{- end -}}
{{- end }}

{{/* A part's service account: (list . "gateway") */}}
{{- define "aob.account" -}}
{{- $root := index . 0 -}}
{{- $part := index . 1 -}}
{{- default (printf "%s-%s" (include "aob.full" $root) $part) (get $root.Values $part).serviceAccount.name -}}
{{- end }}
