"""Training: own classes on pretrained weights, pruning, distillation; see docs/training.md.

class_folders, digits   sets of images that a net learns from, as `images` says
start                   pretrained weights with a new head, or fresh ones
loop                    epochs of gradient steps; `checkpoint` keeps them from a kill
finetune                a head on cached features, then all weights
distil                  the loss beside a teacher
channels, widths        which layers a channel passes through, and how many there are
prune, prune_plan       which channels go
trained, artifact       a net as a file, and as the draft of a model
own_int8                int8 on one's own photos
jobs, prune_job         what the commands do
small_zoo and its like  every net on hard digits: one table
"""
