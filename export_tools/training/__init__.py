"""Training: own classes on pretrained weights, pruning, distillation; see docs/training.md.

images        sets of labelled images that a net learns from
loop          epochs of gradient steps, the same after a kill; `checkpoint` keeps them
"""
