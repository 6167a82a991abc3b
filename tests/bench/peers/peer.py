"""What the Python peers share: the protocol that the harness speaks, and the clock.

A peer is a process. It first writes one JSON line: {"ready": {...}} or {"absent": "reason"}. Then it reads one request a line,
{"work": {...}, "rows": R, "steps": n}, trains R runs by at least n steps and answers {"steps": done, "seconds": s, ...}, or
{"error": "reason"}; n = 0 asks for the loss alone (see protocol.ts). Between requests for the same work and rows, training goes on where it was; building, compiling and warming up
are done before the clock starts, and the device is idle before it stops.
"""
import gc
import json
import os
import sys
import time


def serve(ready, opens):
    """`ready()` returns what to report or raises ImportError or RuntimeError; `opens(work, rows)` returns `advance(steps) -> (steps done, loss)`,
    which is synchronous."""
    # Frameworks print as they please: the protocol keeps standard output for itself.
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def answer(message):
        out.write(json.dumps(message) + "\n")

    try:
        answer({"ready": ready()})
    except (ImportError, RuntimeError) as error:
        answer({"absent": one_line(error)})
        return
    opened, advance = None, None
    for line in sys.stdin:
        request = json.loads(line)
        key = (json.dumps(request["work"]), request["rows"])
        try:
            if key != opened:
                opened, advance = None, None
                gc.collect()  # frees the last one's memory before the next is built
                start = time.perf_counter()
                advance = opens(request["work"], request["rows"])
                first_steps, first = advance(2)
                opened, warm_up = key, time.perf_counter() - start
            start = time.perf_counter()
            steps, loss = advance(request["steps"])
            seconds = time.perf_counter() - start
            answer({"steps": steps, "seconds": seconds, "loss": loss, "firstLoss": first, "firstSteps": first_steps, "warmUp": warm_up})
        except Exception as error:  # out of memory, or what the framework can't do: one row less, not the end
            opened, advance = None, None
            answer({"error": one_line(error)})


def one_line(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


def unsupported(work):
    """The peers know the two presets that are measured, not every option of the house."""
    if work["activation"] != "gelu" or not work["biases"] or work["norm"] == "none" or work["decay"] != "all" or work["loss"] != "torch":
        raise NotImplementedError("this peer trains GELU models with biases and LayerNorm, decay on all, plain log-softmax")
    if work["operation"] != "x_plus_y":
        raise NotImplementedError("this peer trains x_plus_y")


def processor():
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
        return names[0]
    except (OSError, IndexError):
        return "processor"


def cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
