"""Offline: a checkpoint becomes an artifact. The only user of torch beside `models`.

The way of an artifact, each step in its own module:

    weights/            a source's file -> a net with its weights, RGB in
    serving_net         + cast, normalisation, softmax: the graph contract
    onnx_export         -> ONNX, checked by graph_checks and parity
    fp32                -> the fp32 draft of an artifact
    int8                fp32 draft -> int8 draft: quantize, correct_bias, fold_input,
                        share_concat, then the gates
    training/           a net of one's own, narrower or taught by another
    publish             draft -> folder, loaded back and self-tested before the rename
    artifacts           the table of what ships, and the loop over it
    cli                 `featherbox-export`

Photos for calibration, gates and self-tests come from `photos`, crops of them from `views`;
they reach a net through `service.engine`, as a request's photo does.
"""

import os

# ONNX Runtime reports to its maker unless this is set before its first import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
