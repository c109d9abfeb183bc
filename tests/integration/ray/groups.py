"""`groups.py ADDRESS`: how many placement groups a cluster has, waiting ones too. Runs inside a machine."""

from __future__ import annotations

import sys

import ray
from ray.util.placement_group import placement_group_table


def main() -> None:
    ray.init(address=sys.argv[1], log_to_driver=False, configure_logging=False)
    sys.stdout.write(str(sum(each["state"] != "REMOVED" for each in placement_group_table().values())))


if __name__ == "__main__":
    main()
