{{/*
Names and labels. The names of objects are fixed and do not follow the release's: the operator binds its lease roles and looks for its
priority classes by these very names, so a cluster holds one release.
*/}}

{{/* Labels that Helm's own tools look for, and the admin's. */}}
{{- define "leaseport.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The image of operator and gateway. */}}
{{- define "leaseport.image" -}}
{{- with .Values.image.registry }}{{ . }}/{{ end }}{{ .Values.image.repository }}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* The users the API server knows our accounts by, for admission policies. */}}
{{- define "leaseport.accounts" -}}
['system:serviceaccount:{{ .Release.Namespace }}:leaseport-operator',
        'system:serviceaccount:{{ .Release.Namespace }}:leaseport-gateway']
{{- end }}
