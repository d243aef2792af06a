// Whose definitions the chart is checked against. Nothing is built of these: only files with definitions are taken out of them.
module leaseport/e2e/tools/definitions

go 1.26.0

require (
	github.com/cert-manager/cert-manager v1.21.2
	github.com/prometheus-operator/prometheus-operator v0.85.0
	sigs.k8s.io/gateway-api v1.6.3
)
