"""Reads a folder of event files with TensorBoard itself and prints its scalars as JSON.

Usage: python tools/check-tensorboard.py FOLDER   (needs: pip install tensorboard)
Prints {tag: [[step, value, wall time], ...]}, as TensorBoard would draw them.
"""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
    events.Reload()
    curves = {
        tag: [[point.step, point.value, point.wall_time] for point in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }
    json.dump(curves, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
