{{/* Where ended runs go: an address, what opens it, and the volume that it may be. */}}
{{- define "aob.archiveEnv" -}}
{{- $archive := .Values.archive -}}
{{- if and $archive.url $archive.existingClaim -}}
{{- fail "archive.url and archive.existingClaim: it is one of them" -}}
{{- end -}}
{{- if $archive.existingClaim -}}
- {name: AOB_ARCHIVE, value: "file:///var/lib/aob/archive"}
{{- else if $archive.url -}}
- {name: AOB_ARCHIVE, value: {{ $archive.url | quote }}}
{{- end }}
{{- end }}

{{- define "aob.archiveFrom" -}}
{{- with .Values.archive.existingSecret -}}
envFrom: [{secretRef: {name: {{ . }}}}]
{{- end }}
{{- end }}

{{- define "aob.archiveMount" -}}
{{- if .Values.archive.existingClaim -}}
- {name: archive, mountPath: /var/lib/aob/archive}
{{- end }}
{{- end }}

{{- define "aob.archiveVolume" -}}
{{- with .Values.archive.existingClaim -}}
- name: archive
  persistentVolumeClaim: {claimName: {{ . }}}
{{- end }}
{{- end }}
