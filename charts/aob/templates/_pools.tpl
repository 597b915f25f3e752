{{/* Whether tenants have runner pods: every process is told the same. */}}
{{- define "aob.hasPools" -}}
{{- if and .Values.tenantPools.enabled .Values.operator.enabled (not .Values.gateway.tokens.existingSecret) }}true{{ end -}}
{{- end }}

{{/* What the operator is told of them. */}}
{{- define "aob.pools" -}}
{{- $pools := .Values.tenantPools -}}
{{- $scheme := ternary "https" "http" (not (empty .Values.gateway.tls.existingSecret)) -}}
{{- $told := omit $pools "enabled" -}}
{{- $_ := set $told "image" (include "aob.image" (list . "runner" "aob-runner")) -}}
{{- $_ := set $told "pullPolicy" .Values.image.pullPolicy -}}
{{- $_ := set $told "sysctls" (include "aob.sysctls" (list . "runner") | fromJsonArray) -}}
{{- $_ := set $told "gateway" (printf "%s://%s-gateway.%s.svc:%v" $scheme (include "aob.full" .) .Release.Namespace .Values.gateway.service.port) -}}
{{- $_ := set $told "gatewayNamespace" .Release.Namespace -}}
{{- $_ := set $told "audience" .Values.gateway.audience -}}
{{- $_ := set $told "networkPolicy" (and .Values.networkPolicy.enabled .Values.networkPolicy.denyPrivateEgress) -}}
{{- toJson $told -}}
{{- end }}

{{/* Environment of every process that moves runs. */}}
{{- define "aob.poolsEnv" -}}
{{- if include "aob.hasPools" . -}}
- {name: AOB_TENANT_RUNNERS, value: "true"}
{{- end -}}
{{- end }}
