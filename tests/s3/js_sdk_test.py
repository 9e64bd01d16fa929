#!/usr/bin/python3
"""The AWS SDK for JavaScript against a running node: installs what tests/s3/js_sdk/package.json pins and runs its program."""
import json
import os

import client_tools as tools
import toolchains

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "js_sdk")
report = tools.tap.Report("aws-sdk-js: ")


def main():
    package = os.path.join(FOLDER, "package.json")
    try:
        node, modules = toolchains.node_with(package)
    except toolchains.Missing as why:
        report.skip("all", why)
        report.end()
    version = json.load(open(package))["dependencies"]["@aws-sdk/client-s3"]
    tools.run_suite(report, "aws-sdk-js", version,
                    lambda running, keys: [node, os.path.join(FOLDER, "main.mjs"), modules, running.endpoint, running.access, running.secret, keys])
    report.end()


main()
