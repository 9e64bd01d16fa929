"""One bucket that two nodes of three have mounted."""
import os
import subprocess

from cluster_store import await_true, run


def no_fuse(report):
    """Skips all where there is no /dev/fuse, and does not return then."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        report.skip("all", "no /dev/fuse")
        report.end()


def on_two_mounts(report, nodes, bucket, body):
    """Starts the nodes, the first two of which mount the bucket, runs the tests of `body(mounts)` and takes the mounts away; as `run` does,
    it stops the nodes and does not return."""
    mounts = [os.path.join(nodes.data, f"mount{number}") for number in (1, 2)]

    def started(_):
        for number, mount in enumerate(mounts):
            os.makedirs(mount)
            nodes.members[number].options = ["--mount", f"{bucket}={mount}"]
        nodes.start()
        await_true("the bucket is mounted twice", 30, lambda: all(os.path.ismount(mount) for mount in mounts))
        body(mounts)
    try:
        run(report, nodes, started)
    finally:
        for mount in mounts:
            subprocess.run(["fusermount3", "-uz", mount], check=False, stderr=subprocess.DEVNULL)
