{{- define "docspace-exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/*
The release's name, or release and chart where the first does not hold the second. A Service's name has no dots, a
release's may.
*/}}
{{- define "docspace-exporter.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "docspace-exporter.name" . -}}
{{- contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) | replace "." "-" | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "docspace-exporter.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{- define "docspace-exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "docspace-exporter.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/* Merged as data, so that a label of the user's with the name of another is no double key. */}}
{{- define "docspace-exporter.labels" -}}
{{- $labels := dict
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/component" "exporter"
  "app.kubernetes.io/part-of" "docspace-exporter"
  "app.kubernetes.io/managed-by" .Release.Service
-}}
{{- toYaml (merge (include "docspace-exporter.selectorLabels" . | fromYaml) (deepCopy .Values.commonLabels) $labels) -}}
{{- end -}}

{{/*
Metadata of a resource: dict of root, and optionally suffix, namespace, labels, annotations.
toYaml quotes names that look like numbers.
*/}}
{{- define "docspace-exporter.metadata" -}}
name: {{ printf "%s%s" (include "docspace-exporter.fullname" .root) (default "" .suffix) | toYaml }}
namespace: {{ default (include "docspace-exporter.namespace" .root) .namespace | toYaml }}
labels:
  {{- $labels := include "docspace-exporter.labels" .root | fromYaml }}
  {{- toYaml (mergeOverwrite $labels (deepCopy (default dict .labels))) | nindent 2 }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "docspace-exporter.serviceAccountName" -}}
{{- default (.Values.serviceAccount.create | ternary (include "docspace-exporter.fullname" .) "default") .Values.serviceAccount.name -}}
{{- end -}}

{{- define "docspace-exporter.image" -}}
{{- $registry := default .Values.image.registry .Values.global.imageRegistry -}}
{{- with $registry }}{{ . }}/{{ end -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- with .Values.image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{- define "docspace-exporter.host" -}}
{{ include "docspace-exporter.fullname" . }}.{{ include "docspace-exporter.namespace" . }}.svc
{{- end -}}

{{- define "docspace-exporter.scheme" -}}
{{- .Values.web.tls | ternary "https" "http" -}}
{{- end -}}

{{/* The Secret with the API keys; empty if no portal needs one. */}}
{{- define "docspace-exporter.secretName" -}}
{{- if .Values.existingSecret -}}
{{- .Values.existingSecret -}}
{{- else if .Values.apiKeys -}}
{{- include "docspace-exporter.fullname" . -}}
{{- end -}}
{{- end -}}

{{/* config.yaml: the fields of `config` that are set. Each portal gets a file for its key. */}}
{{- define "docspace-exporter.config" -}}
{{- $config := dict -}}
{{- range $name, $value := .Values.config -}}
{{- if $value }}{{ $_ := set $config $name $value }}{{ end -}}
{{- end -}}
{{- $portals := list -}}
{{- range .Values.config.portals -}}
{{- $portal := deepCopy . -}}
{{- if not (or .api_key .api_key_file) -}}
{{- $_ := set $portal "api_key_file" (printf "/run/secrets/docspace/%s" .name) -}}
{{- end -}}
{{- $portals = append $portals $portal -}}
{{- end -}}
{{- $_ := set $config "portals" $portals -}}
{{- toYaml $config -}}
{{- end -}}

{{/*
The ports that the exporter connects to, as a JSON list. For a portal with a proxy, it is the port of the proxy.
*/}}
{{- define "docspace-exporter.egressPorts" -}}
{{- $urls := list -}}
{{- with .Values.docspace.url }}{{ $urls = append $urls . }}{{ end -}}
{{- range .Values.config.portals }}{{ $urls = append $urls (default .url .proxy_url) }}{{ end -}}
{{- range .Values.extraEnv -}}
{{- if and .value (regexMatch "(?i)^https?_proxy$" .name) }}{{ $urls = append $urls .value }}{{ end -}}
{{- end -}}
{{- $ports := list -}}
{{- range .Values.networkPolicy.egress.extraPorts }}{{ $ports = append $ports (int .) }}{{ end -}}
{{- range $urls -}}
{{- if contains "$" . -}}
{{- if not $.Values.networkPolicy.egress.extraPorts -}}
{{- fail (printf "networkPolicy: the port of %s is not known before the pod runs; name it in networkPolicy.egress.extraPorts" .) -}}
{{- end -}}
{{- else -}}
{{- $parts := urlParse . -}}
{{- $port := regexFind ":[0-9]+$" $parts.host | trimPrefix ":" -}}
{{- $ports = append $ports (int (default (eq $parts.scheme "https" | ternary 443 80) $port)) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.existingConfigMap (not $ports) -}}
{{- fail "networkPolicy: with existingConfigMap, name the ports of its portals in networkPolicy.egress.extraPorts" -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end -}}

{{/* Fields for the login of Prometheus, in ServiceMonitor and ScrapeConfig. */}}
{{- define "docspace-exporter.scrapeLogin" -}}
{{- with .Values.web.scrape.basicAuth }}
basicAuth:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .Values.web.tls }}
tlsConfig:
  {{- toYaml (merge (deepCopy .Values.web.scrape.tlsConfig) (dict "serverName" (include "docspace-exporter.host" .))) | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A probe: dict of root, path and timing. */}}
{{- define "docspace-exporter.probe" -}}
{{- if .root.Values.web.authentication }}
tcpSocket:
  port: metrics
{{- else }}
httpGet:
  path: {{ .path }}
  port: metrics
  {{- if .root.Values.web.tls }}
  scheme: HTTPS
  {{- end }}
{{- end }}
{{- with .timing }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Fail if values cannot work together, before anything reaches the cluster. */}}
{{- define "docspace-exporter.validate" -}}
{{- $v := .Values -}}
{{- $sources := list $v.docspace.url $v.config.portals $v.existingConfigMap | compact -}}
{{- if ne (len $sources) 1 -}}
{{- fail "set one of docspace.url (one portal), config.portals (several) and existingConfigMap (your own config.yaml)" -}}
{{- end -}}
{{- if and $v.existingSecret $v.apiKeys -}}
{{- fail "set either existingSecret or apiKeys" -}}
{{- end -}}
{{- $read := list -}}
{{- if $v.docspace.url }}{{ $read = append $read $v.docspace.name }}{{ end -}}
{{- $names := list -}}
{{- range $v.config.portals -}}
{{- if has .name $names }}{{ fail (printf "config.portals: two portals are called %q" .name) }}{{ end -}}
{{- $names = append $names .name -}}
{{- if regexMatch "//[^/$]*@" (default "" .proxy_url) -}}
{{- fail (printf "config.portals: the password in the proxy_url of %s would be readable in a ConfigMap; use ${VARIABLE} with extraEnv" .name) -}}
{{- end -}}
{{- if and .api_key .api_key_file }}{{ fail (printf "config.portals: %s has both api_key and api_key_file" .name) }}{{ end -}}
{{- if .api_key -}}
{{- if not (regexMatch "^\\$\\{[A-Za-z_][A-Za-z0-9_]*\\}$" .api_key) -}}
{{- fail (printf "config.portals: the api_key of %s would be readable in a ConfigMap; use existingSecret, apiKeys, or ${VARIABLE} with extraEnv" .name) -}}
{{- end -}}
{{- else if not .api_key_file -}}
{{- $read = append $read .name -}}
{{- end -}}
{{- end -}}
{{- range $read -}}
{{- if not (regexMatch "^[-._a-zA-Z0-9]+$" .) -}}
{{- fail (printf "config.portals: the field of a Secret cannot be called %q; give this portal an api_key_file" .) -}}
{{- end -}}
{{- if not (or $v.existingSecret (hasKey $v.apiKeys .)) -}}
{{- fail (printf "portal %s has no API key: set existingSecret, or apiKeys.%s" . .) -}}
{{- end -}}
{{- end -}}
{{- range $name, $key := $v.apiKeys -}}
{{- if not (or $v.existingConfigMap (eq $name $v.docspace.name) (has $name $names)) -}}
{{- fail (printf "apiKeys: no portal is called %q" $name) -}}
{{- end -}}
{{- end -}}
{{- if and (or $v.web.tls $v.web.authentication) (not $v.web.existingSecret) -}}
{{- fail "web.tls and web.authentication describe the file in web.existingSecret, which is not set" -}}
{{- end -}}
{{- if and $v.web.authentication (or $v.serviceMonitor.enabled $v.scrapeConfig.enabled) (not (or $v.web.scrape.basicAuth $v.web.scrape.tlsConfig)) -}}
{{- fail "web.authentication: set web.scrape.basicAuth or web.scrape.tlsConfig, else Prometheus is refused" -}}
{{- end -}}
{{- if and $v.web.scrape.tlsConfig (not $v.web.tls) -}}
{{- fail "web.scrape.tlsConfig needs web.tls" -}}
{{- end -}}
{{- end -}}
