"""How fast, beside what. Every figure is a ratio or a median of interleaved rounds of one run.

    photos, options, summary, machine, results      what every benchmark shares
    server, processes, artifacts                    a real server in its own process, what it costs
    traffic, closed_loop, raw_client, open_loop     load generators (wrk where it is installed)
    engine, in_process, bare_pool, plain            the same work with no server at all
    rivals                                          other servers, in environments of their own
    micro, floors, load, compare, memory,           one benchmark each
    cold_start, growth, large_image, shortcuts
    table, goals                                    all goals in one table (`make bench`)
    guard, call_counts                              counts that do not wobble, for the tests
    reliability                                     whether anything breaks it
    plots                                           CSV to pictures

`docs/performance.md` says how each figure is taken.
"""
