"""Whether anything breaks it: hostile input, overload and faults, each a command of its own.

fuzz_decode, mutants        damaged files into the decoder, in a process that may die of them
swaps                       versions swapped under load: failures, latency, memory
"""
