"""Versions of what AWS runs for us, each under the line that Renovate reads.

Add-on versions belong to one Kubernetes minor: move them together, and check them with
``aws eks describe-addon-versions --kubernetes-version 1.35 --addon-name <name>``.
"""

# KServe, Knative and Istio of this platform are tested up to 1.35; its standard support ends on 2027-03-27.
# renovate: datasource=endoflife-date depName=amazon-eks versioning=loose
EKS = "1.35"

# renovate: datasource=aws-eks-addon depName=vpc-cni
VPC_CNI = "v1.23.0-eksbuild.1"
# renovate: datasource=aws-eks-addon depName=kube-proxy
KUBE_PROXY = "v1.35.3-eksbuild.18"
# renovate: datasource=aws-eks-addon depName=coredns
COREDNS = "v1.14.3-eksbuild.3"
# renovate: datasource=aws-eks-addon depName=aws-ebs-csi-driver
EBS_CSI = "v1.63.1-eksbuild.1"
# renovate: datasource=aws-eks-addon depName=metrics-server
METRICS_SERVER = "v0.9.0-eksbuild.5"

# AMI families, not releases: EKS takes the newest release for its own minor. AL2 ended in November 2025.
AMI = "AL2023_x86_64_STANDARD"
AMI_GPU = "AL2023_x86_64_NVIDIA"

# The major alone: RDS picks the minor and patches it in its maintenance window.
# renovate: datasource=endoflife-date depName=amazon-rds-postgresql versioning=loose
POSTGRES = "17"

# The last Redis that ElastiCache offers under that name; what follows there is Valkey.
REDIS = "7.1"

# AWS names its runtimes itself, some months after Python's releases; no data source follows them.
LAMBDA_PYTHON = "python3.13"

# The rest runs in any cluster. Which of them belong together, and why: docs/decisions/platform-versions.md.

# What Istio 1.30 and KServe 0.20 are built against.
# renovate: datasource=helm depName=gateway-api-crds registryUrl=https://wiremind.github.io/wiremind-helm-charts
GATEWAY_API = "1.5.1"
# renovate: datasource=helm depName=cert-manager registryUrl=https://charts.jetstack.io
CERT_MANAGER = "v1.21.2"
# renovate: datasource=helm depName=istiod registryUrl=https://istio-release.storage.googleapis.com/charts
ISTIO = "1.30.3"
# renovate: datasource=helm depName=knative-operator registryUrl=https://knative.github.io/operator
KNATIVE_OPERATOR = "v1.21.4"
# What that operator carries; KServe 0.20 is tested with 1.21.
# renovate: datasource=github-releases depName=knative/serving extractVersion=^knative-v(?<version>.*)$
KNATIVE = "1.21.3"
# renovate: datasource=docker depName=ghcr.io/kserve/charts/kserve-resources
KSERVE = "v0.20.0"
# renovate: datasource=helm depName=keda registryUrl=https://kedacore.github.io/charts
KEDA = "2.20.2"
# renovate: datasource=helm depName=kuberay-operator registryUrl=https://ray-project.github.io/kuberay-helm
KUBERAY = "1.5.1"
# Chart of Argo Workflows 4.0.5, the one that Kubeflow Pipelines 2.17 ships.
# renovate: datasource=helm depName=argo-workflows registryUrl=https://argoproj.github.io/argo-helm
ARGO_WORKFLOWS = "1.0.14"
# renovate: datasource=docker depName=ghcr.io/kubeflow/kfp-api-server
KUBEFLOW_PIPELINES = "2.17.0"
# Kubeflow Pipelines names it; it gets no releases any more.
# renovate: datasource=docker depName=gcr.io/tfx-oss-public/ml_metadata_store_server
ML_METADATA = "1.14.0"
# renovate: datasource=helm depName=kube-prometheus-stack registryUrl=https://prometheus-community.github.io/helm-charts
KUBE_PROMETHEUS_STACK = "88.5.3"
# renovate: datasource=helm depName=loki registryUrl=https://grafana-community.github.io/helm-charts
LOKI = "18.11.0"
# renovate: datasource=helm depName=alloy registryUrl=https://grafana.github.io/helm-charts
ALLOY = "1.11.1"
# renovate: datasource=helm depName=external-secrets registryUrl=https://charts.external-secrets.io
EXTERNAL_SECRETS = "2.9.0"
# renovate: datasource=helm depName=aws-load-balancer-controller registryUrl=https://aws.github.io/eks-charts
AWS_LOAD_BALANCER_CONTROLLER = "3.5.0"
# The minor of its image is that of the cluster.
# renovate: datasource=helm depName=cluster-autoscaler registryUrl=https://kubernetes.github.io/autoscaler
CLUSTER_AUTOSCALER = "9.59.1"
# renovate: datasource=helm depName=nvidia-device-plugin registryUrl=https://nvidia.github.io/k8s-device-plugin
NVIDIA_DEVICE_PLUGIN = "0.20.0"
# renovate: datasource=helm depName=dcgm-exporter registryUrl=https://nvidia.github.io/dcgm-exporter/helm-charts
DCGM_EXPORTER = "4.8.2"

# Nodes of Kind 0.33, by minor of Kubernetes; other releases of Kind have images of their own.
# renovate: datasource=docker depName=kindest/node
_KIND_NODE_1_34 = "v1.34.11@sha256:44e222ee2132dab25ff87301682f89eb82c7880ea3a1bf543bfe9708fd08d67d"
# renovate: datasource=docker depName=kindest/node
_KIND_NODE_1_35 = "v1.35.8@sha256:07b2536e30b803ed61d1677a79df6115f798ce64c80f9e22f6ed45afd09323c0"
KIND_NODES = {"1.34": f"kindest/node:{_KIND_NODE_1_34}", "1.35": f"kindest/node:{_KIND_NODE_1_35}"}

# renovate: datasource=docker depName=registry
_REGISTRY = "3.1.1@sha256:1be55279f18a2fe1a74edf2664cac61c1bea305b7b4642dab412e7affdcb3e33"
REGISTRY_IMAGE = f"registry:{_REGISTRY}"

# Images that run as they are, without a chart.

# renovate: datasource=docker depName=nginxinc/nginx-unprivileged
NGINX = "docker.io/nginxinc/nginx-unprivileged:1.29.8-alpine"
# renovate: datasource=docker depName=registry.k8s.io/kubectl
KUBECTL = "registry.k8s.io/kubectl:v1.35.7"
# The major of POSTGRES above.
# renovate: datasource=docker depName=postgres
POSTGRES_IMAGE = "docker.io/library/postgres:17.10-alpine3.23"
# What Redis was before it changed its licence.
# renovate: datasource=docker depName=valkey/valkey
REDIS_IMAGE = "docker.io/valkey/valkey:8.1.10-alpine"
# renovate: datasource=docker depName=chrislusf/seaweedfs
SEAWEEDFS = "docker.io/chrislusf/seaweedfs:4.44"
# With drivers of Postgres and S3 in it.
# renovate: datasource=docker depName=ghcr.io/mlflow/mlflow
MLFLOW = "ghcr.io/mlflow/mlflow:v3.14.0-full"
# renovate: datasource=docker depName=otel/opentelemetry-collector-k8s
OTEL_COLLECTOR = "docker.io/otel/opentelemetry-collector-k8s:0.161.0"
# renovate: datasource=docker depName=jaegertracing/jaeger
JAEGER = "docker.io/jaegertracing/jaeger:2.19.0"
