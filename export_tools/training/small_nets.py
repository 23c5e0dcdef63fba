"""The zoo at 32 px, narrow enough for a CPU, and the bigger net that teaches.

Nets with a width of their own take their smallest; the others are narrowed in every layer, `share`
being what is left of the channels. Epochs and rates were chosen on the validation digits, so that
the accuracy of each net lies between 80 and 95 %.
"""

from export_tools.training.small_zoo import SmallNet

NETS = (
    SmallNet("lightweight_cnn", "lightweight_cnn", 30, 3e-2),
    SmallNet("squeezenet1_0", "squeezenet1_0", 30, 1.5e-3, share=0.25, warm_up=0.3),
    SmallNet("squeezenet1_1", "squeezenet1_1", 30, 1.5e-3, share=0.25, warm_up=0.3),
    SmallNet("mobilenet_v1", "mobilenet_v1", 15, 2e-2, {"width": 0.25}),
    SmallNet("shufflenet_v1", "shufflenet_v1", 8, 1e-2, {"scale": 0.25}),
    SmallNet("xception", "xception", 7, 1e-2, share=0.12),
    SmallNet("googlenet", "googlenet", 7, 1e-2, {"form": "bn"}, share=0.12),
    SmallNet("lite_inception", "lite_inception", 7, 1e-2, {"width": 0.25, "depth": 0.5}),
    SmallNet("efficientnet_lite0", "efficientnet_lite0", 15, 2e-2, share=0.375),
)
TEACHER = SmallNet("teacher", "lite_inception", 14, 1e-2, {"width": 0.5, "depth": 0.5})
