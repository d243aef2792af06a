{{/*
What the pods of operator and gateway have in common. Each takes {root, own}: the chart's context and the values of the component.
*/}}

{{/* Environment: who the pod is, how it logs, proxies, authorities, and what the admin adds. */}}
{{- define "leaseport.env" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
{{- with .root.Values.log.filter }}
- name: LEASEPORT_LOG
  value: {{ . | quote }}
{{- end }}
{{- if ne .root.Values.log.format "text" }}
- name: LEASEPORT_LOG_FORMAT
  value: {{ .root.Values.log.format }}
{{- end }}
{{- with .root.Values.proxy.http }}
- name: HTTP_PROXY
  value: {{ . | quote }}
{{- end }}
{{- with .root.Values.proxy.https }}
- name: HTTPS_PROXY
  value: {{ . | quote }}
{{- end }}
{{- with .root.Values.proxy.none }}
- name: NO_PROXY
  value: {{ . | quote }}
{{- end }}
{{- if include "leaseport.extraCA" .root }}
- name: SSL_CERT_FILE
  value: /etc/ssl/certs/ca-certificates.crt
- name: SSL_CERT_DIR
  value: /etc/leaseport/ca
{{- end }}
{{- with .own.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Whether there are more authorities than the image's own. */}}
{{- define "leaseport.extraCA" -}}
{{- if or .Values.extraCA.configMap .Values.extraCA.secret }}yes{{ end }}
{{- end }}

{{- define "leaseport.extraCA.mount" -}}
- name: extra-ca
  mountPath: /etc/leaseport/ca
  readOnly: true
{{- end }}

{{/* The entry gets a name of the form that `openssl rehash` gives: other files of the folder are not read. */}}
{{- define "leaseport.extraCA.volume" -}}
- name: extra-ca
  {{- if .Values.extraCA.configMap }}
  configMap:
    name: {{ .Values.extraCA.configMap }}
  {{- else }}
  secret:
    secretName: {{ .Values.extraCA.secret }}
    defaultMode: 288
  {{- end }}
    items:
      - key: {{ .Values.extraCA.key }}
        path: "00000000.0"
{{- end }}

{{/* Which nodes the pod runs on. */}}
{{- define "leaseport.placement" -}}
{{- with .own.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .own.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .own.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .own.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
