"""How fast, beside what. Every figure is a ratio or a median of interleaved rounds of one run.

    photos, options, summary, machine, results      what every benchmark shares
    server, processes, artifacts                    a real server in its own process, what it costs
    closed_loop (wrk, raw_client), open_loop        load generators
    engine, in_process                              the same work with no server at all
    micro, load, compare, memory, cold_start,       one benchmark each
    growth, large_image, shortcuts
    table                                           all goals in one table (`make bench`)
    guard                                           counts that do not wobble, for the tests
    plots                                           CSV to pictures

`docs/performance.md` says how each figure is taken.
"""
