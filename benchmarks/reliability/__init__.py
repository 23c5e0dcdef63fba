"""Whether anything breaks it: hostile input, overload and faults.

scorecard, row              all rows in one table (`make scorecard`), and what a row is
overload, slow              rows 1 to 9 and 14: too much, too slow
corpus, pictures            rows 10 to 12 and 15: images
requests, names             rows 13 and 16: requests over raw sockets, names of models
lifecycle, environment      rows 17 to 21, 25 and 26: kills, signals, disk and clock
models, growth, supply      rows 22 to 24, 27, 28 and 29
serving, flood, clients     servers to break, and who asks them meanwhile
files                       images, forms, graphs and artifacts made on the spot
fuzz_decode, mutants        damaged files into the decoder, in a process that may die of them
swaps                       versions swapped under load: failures, latency, memory
"""
