#!/usr/bin/python3
"""minio-go against a running node: builds tests/s3/minio_go with a Go of the machine's or of the module proxy's and runs it."""
import os
import re

import client_tools as tools
import toolchains

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "minio_go")
report = tools.tap.Report("minio-go: ")


def main():
    try:
        program = toolchains.build_go(FOLDER, "minio_go")
    except toolchains.Missing as why:
        report.skip("all", why)
        report.end()
    version = re.search(r"minio-go/v7 v([\d.]+)", open(os.path.join(FOLDER, "go.mod")).read())[1]
    tools.run_suite(report, "minio-go", version, lambda node, keys: [program, node.endpoint.split("//")[1], node.access, node.secret, keys])
    report.end()


main()
