"""Work on the files of a pool, spread over the processes of a cluster: what is done, where, and what is kept of it.

    work       what is done to a file: data and functions of their own, that travel; done in this process too
    batches    how many files are sent at once
    results    what was done, kept by what it was done of: never done twice
    doing      the work of many files, kept ones first; errors as ours
    ray_cluster   the one module that knows Ray

`run` spreads a program over a cluster so: `statements` has what is done to a file, `several` to the files of a task.

To add a kind of work:

1. Write a function at the top of a module, `do(started, item) -> bytes`, that does it for one file. It gets an `Item`
   and what `start` made of `Work.given` once in each process (a session, a model), or `Work.given` itself. It may be
   done any number of times, also twice at once, and must give the same bytes. What goes wrong it raises as RunError.
2. Make a `Work` of it, with what it needs and how many rows may go as one task, and an `Item` a file. `Item.given` is
   small plain data; what is large lies in the store, which every node sees, or in `Item.attached`. Where the bytes are
   worth keeping, `Item.key` is `key_of(..)` over everything that decides them: the kind of work with the version of its
   form, statement, parameters, the identity of the file. Work that writes to the store itself has no key.
3. Give both to `done_of(cluster, work, items, ..)`, which yields each item with its bytes, in any order.

Tests do the same with `here()`, a cluster that is this process.
"""
