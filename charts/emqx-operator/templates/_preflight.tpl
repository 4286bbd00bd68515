{{- /*
Objects that another EMQX operator left behind, and that prevent the installation. Each check returns lines of reasons, or nothing.
`lookup` finds nothing while charts are rendered without a cluster, so that `helm template` is not stopped.
*/ -}}

{{- /* Stored versions that this operator does not serve: the API server could not read their objects. */ -}}
{{- define "emqx-operator.preflight.storedVersions" -}}
{{- range $path, $_ := .Files.Glob "files/crds/*.yaml" }}
{{- $ours := $.Files.Get $path | fromYaml }}
{{- $served := list }}
{{- range $ours.spec.versions }}{{ $served = append $served .name }}{{ end }}
{{- $there := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" $ours.metadata.name | default dict }}
{{- range dig "status" "storedVersions" list $there }}
{{- if not (has . $served) }}
- CRD {{ $ours.metadata.name }} has stored version {{ . }}, which this operator does not serve. Migrate the resources first (docs/install.md, "After a Go operator").
{{- end }}
{{- end }}
{{- if eq (dig "spec" "conversion" "strategy" "None" $there) "Webhook" }}
- CRD {{ $ours.metadata.name }} is converted by a webhook of another operator. Remove it: kubectl patch crd {{ $ours.metadata.name }} --type=merge --patch '{"spec":{"conversion":{"strategy":"None","webhook":null}}}'
{{- end }}
{{- end }}
{{- range (lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" "").items }}
{{- $known := $.Files.Get (printf "files/crds/%s_%s.yaml" .spec.group .spec.names.plural) }}
{{- if and (eq .spec.group "apps.emqx.io") (not $known) }}
- CRD {{ .metadata.name }} belongs to a Go operator, and this operator does not serve it. Delete it when its resources are migrated: kubectl delete crd {{ .metadata.name }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* Webhooks for EMQX resources: without their operator no EMQX resource could be changed. */ -}}
{{- define "emqx-operator.preflight.webhooks" -}}
{{- range $kind := list "ValidatingWebhookConfiguration" "MutatingWebhookConfiguration" }}
{{- range $configuration := (lookup "admissionregistration.k8s.io/v1" $kind "" "").items }}
{{- $concerned := false }}
{{- range $configuration.webhooks }}{{ range .rules }}{{ if has "apps.emqx.io" .apiGroups }}{{ $concerned = true }}{{ end }}{{ end }}{{ end }}
{{- if $concerned }}
- {{ $kind }} {{ $configuration.metadata.name }} belongs to another EMQX operator. Delete it: kubectl delete {{ lower $kind }} {{ $configuration.metadata.name }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* Roles for EMQX resources of an operator outside of this release. */ -}}
{{- define "emqx-operator.preflight.roles" -}}
{{- range $role := (lookup "rbac.authorization.k8s.io/v1" "ClusterRole" "" "").items }}
{{- $manages := false }}
{{- range $role.rules }}{{ if and (has "apps.emqx.io" (.apiGroups | default list)) (or (has "emqxes/finalizers" (.resources | default list)) (has "emqxbrokers/finalizers" (.resources | default list))) }}{{ $manages = true }}{{ end }}{{ end }}
{{- $annotations := $role.metadata.annotations | default dict }}
{{- $is := and (eq (get $annotations "meta.helm.sh/release-name") $.Release.Name) (eq (get $annotations "meta.helm.sh/release-namespace") $.Release.Namespace) }}
{{- if and $manages (not $is) }}
- ClusterRole {{ $role.metadata.name }} belongs to another EMQX operator. Uninstall that operator, or delete the role: kubectl delete clusterrole {{ $role.metadata.name }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* Another kind of operator that holds the lease. This operator's identity is POD/ID, that of Go operators POD_ID. */ -}}
{{- define "emqx-operator.preflight.lease" -}}
{{- range $lease := (lookup "coordination.k8s.io/v1" "Lease" "" "").items }}
{{- if eq $lease.metadata.name "19fd6fcc.emqx.io" }}
{{- $holder := $lease.spec.holderIdentity | default "" }}
{{- $foreign := or (contains "_" $holder) (ne $lease.metadata.namespace $.Release.Namespace) }}
{{- $renewed := toDate "2006-01-02T15:04:05Z07:00" ($lease.spec.renewTime | default "1970-01-01T00:00:00Z") }}
{{- $age := sub (now | unixEpoch | int64) ($renewed | unixEpoch | int64) }}
{{- if and $holder $foreign (lt $age (mul 4 ($lease.spec.leaseDurationSeconds | default 15 | int64))) (not $.Values.watchNamespaces) }}
- Lease {{ $lease.metadata.namespace }}/{{ $lease.metadata.name }} is held by {{ $holder }}, renewed {{ $age }} s ago: another operator is running. Scale it to 0 and wait for a minute.
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
