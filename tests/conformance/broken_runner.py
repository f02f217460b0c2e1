"""A runner that breaks in the way its argument names, when it is asked for the case "break"."""

import json
import os
import sys
import time


def main(way):
    for line in sys.stdin:
        message = json.loads(line)
        if message["say"] == "stop":
            if way == "never stops":
                time.sleep(60)
            break
        if message["say"] == "start":
            if way == "does not start":
                sys.exit(7)
            started = {
                "say": "started",
                "name": way,
                "versions": {"broken": "1"},
                "lacks": {"mask": "no masks"},
            }
            print(json.dumps({} if way == "starts with nonsense" else started), flush=True)
            continue
        if message["case"] == "break":
            if way == "crashes":
                os.abort()
            if way == "exits":
                sys.exit(3)
            if way == "hangs":
                time.sleep(60)
            if way == "prints rubbish":
                print("Segmentation fault (just kidding)", flush=True)
                continue
            if way == "prints a number":
                print("17", flush=True)
                continue
            if way == "answers another case":
                message["case"] = "another"
        print(json.dumps({"say": "answer", "case": message["case"], "numbers": {"outputs": [1]}}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
