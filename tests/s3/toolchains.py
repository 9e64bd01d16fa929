"""Go and Node.js for the clients that are built or installed here: the machine's own where they are new enough, else installed; kept below build/clients."""
import json
import os
import re
import shutil
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CACHE = os.path.join(ROOT, "build", "clients", "cache")
GO_NEEDED = (1, 26)
GO_PINNED = "1.27.3"  # Taken from the Go module proxy where the machine's go is older.
GO_WITH_TOOLCHAINS = (1, 21)
NODE_NEEDED = 18


class Missing(Exception):
    """Why a client cannot be had; its test is skipped with these words."""


def install(group):
    """Debian packages by the project's own script. What it says is kept for the reason of a skipped test."""
    done = subprocess.run([os.path.join(ROOT, "examples", "support", "install-packages"), group], capture_output=True, text=True)
    if done.returncode != 0:
        raise Missing(f"install-packages {group} failed: {(done.stdout + done.stderr).strip().splitlines()[-1:]}")


def run(command, environment, folder, timeout=420):
    try:
        done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise Missing(f"{' '.join(command[:3])} was not done in {timeout} s") from None
    if done.returncode != 0:
        raise Missing(f"{' '.join(command[:3])}: {' '.join((done.stderr or done.stdout).split())[-300:]}")
    return done.stdout


def go_environment():
    """The environment that builds Go programs with nothing of the user's own but where modules come from."""
    os.makedirs(CACHE, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GO") or name in ("GOPROXY", "GOSUMDB", "GONOSUMDB")}
    return dict(kept, GOFLAGS="-mod=mod -buildvcs=false", GOTOOLCHAIN="local", CGO_ENABLED="0", GOMODCACHE=os.path.join(CACHE, "modules"),
                GOCACHE=os.path.join(CACHE, "go-build"), GOPATH=os.path.join(CACHE, "gopath"))


def version_of_go(go):
    found = re.search(r"go(\d+)\.(\d+)", subprocess.run([go, "version"], env=dict(os.environ, GOTOOLCHAIN="local"), capture_output=True, text=True).stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def go():
    """(program, environment) of a Go that is new enough. Raises Missing."""
    found = [path for path in (shutil.which("go"), "/usr/local/go/bin/go") if path and os.access(path, os.X_OK)]
    if not found:
        install("go")
        found = [shutil.which("go") or "/usr/bin/go"]
    best = max(found, key=version_of_go)
    environment = go_environment()
    if version_of_go(best) >= GO_NEEDED:
        return best, environment
    if version_of_go(best) >= GO_WITH_TOOLCHAINS:
        return best, dict(environment, GOTOOLCHAIN="go" + GO_PINNED)
    return older_go_fetches(best, environment), environment


def older_go_fetches(best, environment):
    """Debian 12's go knows no toolchains, but they are modules, which it can fetch and check as any other."""
    module = f"golang.org/toolchain@v0.0.1-go{GO_PINNED}.linux-amd64"
    folder = os.path.join(CACHE, "empty")
    os.makedirs(folder, exist_ok=True)
    got = json.loads(run([best, "mod", "download", "-json", module], environment, folder))["Dir"]
    for part in ("bin", "pkg/tool"):  # a module's files are kept without their executable bit
        for at, _, names in os.walk(os.path.join(got, part)):
            os.chmod(at, 0o755)
            for name in names:
                os.chmod(os.path.join(at, name), 0o755)
    return os.path.join(got, "bin", "go")


def build_go(folder, name):
    """Builds the program of a folder. Gives its path."""
    program, environment = go()
    target = os.path.join(CACHE, name)
    run([program, "build", "-trimpath", "-o", target, "."], environment, folder)
    return target


def install_go(module, name):
    """`go install` of a released program. Gives its path."""
    program, environment = go()
    run([program, "install", module], dict(environment, GOBIN=CACHE, GOFLAGS="-buildvcs=false"), CACHE, 600)
    return os.path.join(CACHE, name)


def node_with(package_json):
    """(node, folder): Node.js, and a folder with the package.json and its modules installed."""
    def new_enough():
        found = shutil.which("node")
        said = found and subprocess.run([found, "--version"], capture_output=True, text=True).stdout
        return found if said and int(said.strip().lstrip("v").split(".")[0]) >= NODE_NEEDED else None
    if not new_enough() or not shutil.which("npm"):
        install("node")
    node = new_enough()
    if not node:
        raise Missing(f"no node of version {NODE_NEEDED} or newer")
    folder = os.path.join(CACHE, "node")
    os.makedirs(folder, exist_ok=True)
    wanted, kept = open(package_json).read(), os.path.join(folder, "package.json")
    if not os.path.exists(kept) or open(kept).read() != wanted:
        shutil.rmtree(folder)
        os.makedirs(folder)
        shutil.copy(package_json, kept)
        try:
            run(["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent", "--cache", os.path.join(CACHE, "npm")], dict(os.environ), folder)
        except Missing:
            os.remove(kept)  # not complete: tried again the next time
            raise
    return node, folder
