"""The pipelines that check and plan every merge request, for GitHub and for GitLab. Pure."""

from __future__ import annotations

from collections.abc import Sequence

KINDS = {"github": ".github/workflows/forebay.yml", "gitlab": ".gitlab/forebay.yml"}
"""Where each is read from; GitLab's is included from `.gitlab-ci.yml`, which may hold other jobs."""


def pipeline(kind: str, file: str, environments: Sequence[str], version: str) -> str:
    """The text of a pipeline for the environments that `file` runs in."""
    return (_github if kind == "github" else _gitlab)(file, environments, version)


def _github(file: str, environments: Sequence[str], version: str) -> str:
    names = ", ".join(environments)
    plan = f'forebay plan --config "{file}" --env "${{{{ matrix.environment }}}}"'
    return f"""\
# Written by `forebay init --ci github`. Every pull request that touches the configuration is checked and planned for
# each environment; the plan is compared with the release that is current there, and nothing is changed.
name: forebay
on:
  pull_request:
    paths: ["{file}", "configs/**", "{KINDS["github"]}"]
permissions:
  contents: read
jobs:
  plan:
    runs-on: ubuntu-latest
    timeout-minutes: 15
    strategy:
      fail-fast: false
      matrix:
        environment: [{names}]
    steps:
      - uses: actions/checkout@v4
        with:
          persist-credentials: false
      - uses: actions/setup-python@v5
        with:
          python-version: "3.11"
      - run: python -m pip install "forebay=={version}"
      - run: forebay check --config "{file}" --env "${{{{ matrix.environment }}}}"
      - name: plan
        run: |
          status=0
          {plan} --detailed-exitcode > plan.txt || status=$?
          cat plan.txt
          {{ echo '```'; cat plan.txt; echo '```'; }} >> "$GITHUB_STEP_SUMMARY"
          # 0: nothing changes; 2: changes, for people to read; anything else cannot be applied.
          [ "$status" -eq 0 ] || [ "$status" -eq 2 ]
"""


def _gitlab(file: str, environments: Sequence[str], version: str) -> str:
    matrix = "\n".join(f"          - {name}" for name in environments)
    return f"""\
# Written by `forebay init --ci gitlab`. Include it from .gitlab-ci.yml:
#   include: [{{local: {KINDS["gitlab"]}}}]
# Every merge request that touches the configuration is checked and planned for each environment; the plan is compared
# with the release that is current there, and nothing is changed.
forebay:
  image: python:3.11-slim
  timeout: 15 minutes
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
      changes: ["{file}", "configs/**/*", "{KINDS["gitlab"]}"]
  parallel:
    matrix:
      - FOREBAY_ENVIRONMENT:
{matrix}
  script:
    - python -m pip install "forebay=={version}"
    - forebay check --config "{file}" --env "$FOREBAY_ENVIRONMENT"
    # 0: nothing changes; 2: changes, for people to read; anything else cannot be applied.
    - |
      status=0
      forebay plan --config "{file}" --env "$FOREBAY_ENVIRONMENT" --detailed-exitcode > plan.txt || status=$?
      cat plan.txt
      [ "$status" -eq 0 ] || [ "$status" -eq 2 ]
  artifacts:
    when: always
    paths: [plan.txt]
"""
