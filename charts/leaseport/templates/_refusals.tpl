{{/*
What values.schema.json cannot say: values that need each other. Each refusal names the value and what to write. Called once, by rights that are
always rendered.
*/}}
{{- define "leaseport.refusals" -}}
{{- with .Values.extraCA }}
{{- if and .configMap .secret }}
{{- fail (printf "extraCA.configMap = %q and extraCA.secret = %q: set one of the two" .configMap .secret) }}
{{- end }}
{{- end }}
{{- with .Values.gateway }}
{{- if .enabled }}
{{- if not .provider.name }}
{{- fail "gateway.enabled = true and gateway.provider.name is empty: name the ComputeProvider" }}
{{- end }}
{{- if not .provider.namespace }}
{{- fail "gateway.enabled = true and gateway.provider.namespace is empty: name the namespace of the ComputeProvider" }}
{{- end }}
{{- if and .service.nodePort (eq .service.type "ClusterIP") }}
{{- fail (printf "gateway.service.nodePort = %d and gateway.service.type = ClusterIP: set the type to NodePort or LoadBalancer" (int .service.nodePort)) }}
{{- end }}
{{- if and .tls.certManager.enabled (not .tls.certManager.issuer) }}
{{- fail "gateway.tls.certManager.enabled = true and gateway.tls.certManager.issuer is empty: name the issuer" }}
{{- end }}
{{- if and .tls.certManager.enabled (not .tls.certManager.dnsNames) }}
{{- fail "gateway.tls.certManager.enabled = true and gateway.tls.certManager.dnsNames is empty: list the names that tenants call" }}
{{- end }}
{{- if and .route.enabled (not .route.parentRefs) }}
{{- fail "gateway.route.enabled = true and gateway.route.parentRefs is empty: name the Gateway it attaches to" }}
{{- end }}
{{- if and .route.enabled (not .route.hostnames) }}
{{- fail "gateway.route.enabled = true and gateway.route.hostnames is empty: a TLSRoute needs host names" }}
{{- end }}
{{- if and .ingress.enabled (not .ingress.host) }}
{{- fail "gateway.ingress.enabled = true and gateway.ingress.host is empty: write the host name that tenants call" }}
{{- end }}
{{- else if or .route.enabled .ingress.enabled .tls.certManager.enabled }}
{{- fail "gateway.enabled = false and gateway.route, gateway.ingress or gateway.tls.certManager is enabled: enable the gateway, or none of them" }}
{{- end }}
{{- end }}
{{- with .Values.monitoring }}
{{- if and .serviceMonitor.enabled (not .services) }}
{{- fail "monitoring.serviceMonitor.enabled = true and monitoring.services = false: there is nothing to scrape; set monitoring.services to true" }}
{{- end }}
{{- if .serviceMonitor.enabled }}
{{- include "leaseport.served" (list $ "monitoring.serviceMonitor.enabled" "monitoring.coreos.com/v1/ServiceMonitor" "Prometheus Operator") }}
{{- end }}
{{- if .rules.enabled }}
{{- include "leaseport.served" (list $ "monitoring.rules.enabled" "monitoring.coreos.com/v1/PrometheusRule" "Prometheus Operator") }}
{{- end }}
{{- end }}
{{- if and .Values.gateway.enabled .Values.gateway.tls.certManager.enabled }}
{{- include "leaseport.served" (list . "gateway.tls.certManager.enabled" "cert-manager.io/v1/Certificate" "cert-manager") }}
{{- end }}
{{- $names := list }}
{{- range .Values.providerNamespaces }}
{{- if eq .name $.Release.Namespace }}
{{- fail (printf "providerNamespaces: %q is the release's own namespace: wallets and leases need another one" .name) }}
{{- end }}
{{- if has .name $names }}
{{- fail (printf "providerNamespaces: %q is listed twice" .name) }}
{{- end }}
{{- $names = append $names .name }}
{{- end }}
{{- end }}

{{/*
Refuses {root, value, group/version/kind, whose} where a cluster was asked and does not serve the kind. Without a cluster (`helm template`) nobody
knows, and nothing is refused: a cluster lists its kinds one by one, what helm knows by itself are groups and versions.
*/}}
{{- define "leaseport.served" -}}
{{- $known := (index . 0).Capabilities.APIVersions }}
{{- if and ($known.Has "apps/v1/Deployment") (not ($known.Has (index . 2))) }}
{{- fail (printf "%s = true and this cluster serves no %s: install the definitions of %s first, or leave it off" (index . 1) (index . 2) (index . 3)) }}
{{- end }}
{{- end }}
