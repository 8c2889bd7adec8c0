"""What docs/deployment.md promises about privilege, checked against the files that are deployed."""

import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORKER_CAPABILITIES = {"SYS_ADMIN", "SETUID", "SETGID", "SYS_CHROOT"}
failures = []


def expect(is_true, what):
    if not is_true:
        failures.append(what)


compose_text = (ROOT / "docker/compose.yaml").read_text()
compose = yaml.safe_load(compose_text)
legacy = yaml.safe_load((ROOT / "docker/compose.cgroup1.yaml").read_text())
services = compose["services"]
for file in (compose, legacy):
    for name, service in file["services"].items():
        expect(not service.get("privileged"), f"compose: {name} is privileged")
        expect("docker.sock" not in str(service), f"compose: {name} holds the Docker socket")
expect(re.search(r"POSTGRES_PASSWORD:-", compose_text) is None, "compose: the password has a default")
expect(compose_text.count("${POSTGRES_PASSWORD:?") == 2, "compose: the password is not required")
for name in ("api", "migrate", "worker"):
    expect(services[name].get("read_only") is True, f"compose: the root of {name} is writable")
    expect(services[name].get("cap_drop") == ["ALL"], f"compose: {name} keeps capabilities")
for name in ("api", "migrate"):
    expect(not services[name].get("cap_add"), f"compose: {name} gets capabilities")
expect(set(services["worker"]["cap_add"]) == WORKER_CAPABILITIES, "compose: other capabilities than documented")
expect("ports" not in services["worker"] and "ports" not in services["postgres"], "compose: an open port")
expect("healthcheck" in services["postgres"], "compose: Postgres has no healthcheck")
expect(any(v.startswith("database:") for v in services["postgres"]["volumes"]), "compose: the data has no volume")

dockerfile = (ROOT / "docker/Dockerfile").read_text()
api_stage = dockerfile.split("FROM scratch AS api")[1].split("\nFROM ")[0]
expect("USER 10001:10001" in api_stage, "Dockerfile: the api image is not for an ordinary user")
for word in ("amd64", "arm64", "x86_64", "aarch64", "linux-gnu"):
    code = "\n".join(line for line in dockerfile.splitlines() if not line.startswith("#"))
    expect(word not in code, f"Dockerfile: {word} ties it to an architecture")

for path in sorted((ROOT / "deploy/kubernetes").glob("*.yaml")):
    for document in yaml.safe_load_all(path.read_text()):
        template = (document.get("spec") or {}).get("template")
        if not template:
            continue
        pod = template["spec"]
        name = document["metadata"]["name"]
        expect(pod.get("automountServiceAccountToken") is False, f"{name}: holds a cluster credential")
        expect("hostPath" not in str(pod) and not pod.get("hostPID") and not pod.get("hostNetwork"), f"{name}: sees the host")
        for container in pod["containers"]:
            security = container["securityContext"]
            added = set(security["capabilities"].get("add", []))
            wanted = WORKER_CAPABILITIES if name == "codecanvas-worker" else set()
            expect(security["capabilities"]["drop"] == ["ALL"] and added == wanted, f"{name}: capabilities {added}")
            expect(not security.get("privileged"), f"{name}: privileged")
            expect(security.get("readOnlyRootFilesystem") is True, f"{name}: a writable root")
            expect("memory" in container["resources"]["limits"], f"{name}: no memory limit")

for name in ("codecanvas", "codecanvas-worker"):
    unit = (ROOT / f"deploy/systemd/{name}.service").read_text()
    expect("\nRestrictSUIDSGID=" not in unit, f"{name}.service: takes openat2 away, and no file goes into a box")

# An autoscaler that asks for a metric that nobody exposes scales nothing, without a word.
exposed = {
    name
    for path in (ROOT / "src").rglob("*.rs")
    for name in re.findall(r'(?:gauge|counter|histogram)!\(\s*"(codecanvas_\w+)"', path.read_text())
}
for path in (ROOT / "deploy").rglob("*.yaml"):
    for name in set(re.findall(r"\bcodecanvas_\w+", path.read_text())):
        expect(name in exposed, f"{path.name}: the service exposes no metric {name}")

for failure in failures:
    print(failure, file=sys.stderr)
sys.exit(1 if failures else 0)
