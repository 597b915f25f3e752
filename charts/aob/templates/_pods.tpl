{{/* What every pod says of itself beside its containers: (list . values), with the plane whose settings it makes as a third */}}
{{- define "aob.pod" -}}
{{- $root := index . 0 -}}
{{- $part := index . 1 -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- if gt (len .) 2 }}
{{- with include "aob.sysctls" (list $root (index . 2)) | fromJsonArray }}
  sysctls: {{- toYaml . | nindent 4 }}
{{- end }}
{{- end }}
{{- with $part.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $part.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $part.topologySpreadConstraints }}
topologySpreadConstraints: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $part.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/* Kernel settings of a plane that any pod may make for itself, as JSON: (list . plane). A node's never reach a pod. */}}
{{- define "aob.sysctls" -}}
{{- $root := index . 0 -}}
{{- $planes := $root.Files.Get "files/pod-sysctls.yaml" | fromYaml -}}
{{- ternary (get $planes (index . 1)).safe list $root.Values.podSysctls | toJson -}}
{{- end }}

{{/* The restricted profile, of each container. */}}
{{- define "aob.container" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* A token of the pod's service account, as clients of Kubernetes look for it. */}}
{{- define "aob.token" -}}
- name: account
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken: {path: token, expirationSeconds: 3600}
      - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
      - downwardAPI: {items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]}
{{- end }}

{{- define "aob.tokenMount" -}}
- {name: account, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
{{- end }}

{{- define "aob.redis" -}}
{{- printf "%s-redis" (include "aob.full" .) -}}
{{- end }}

{{- define "aob.redisSecret" -}}
{{- default (include "aob.redis" .) .Values.redis.auth.existingSecret -}}
{{- end }}

{{/* Environment that leads to the store. */}}
{{- define "aob.store" -}}
{{- $redis := .Values.redis -}}
{{- if $redis.bundled.enabled -}}
- name: AOB_REDIS_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ include "aob.redisSecret" . }}, key: {{ $redis.auth.key }}}}
- name: AOB_REDIS
  value: redis://:$(AOB_REDIS_PASSWORD)@{{ include "aob.redis" . }}:6379
{{- else if $redis.external.existingSecret -}}
- name: AOB_REDIS
  valueFrom: {secretKeyRef: {name: {{ $redis.external.existingSecret }}, key: {{ $redis.external.key }}}}
{{- else -}}
- name: AOB_REDIS
  value: {{ required "redis.external.url or redis.external.existingSecret is needed without redis.bundled" $redis.external.url | quote }}
{{- end }}
{{- end }}
