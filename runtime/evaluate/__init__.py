"""Evaluation: trained weights and DataComp's sets -> an accuracy a task, and their averages.

| file | what it does |
|---|---|
| tasks.toml, demo_tasks.toml, tasks.py | which tasks there are |
| places.py, layout.py | a task's set, in clip-benchmark's webdataset layout, in a folder or at a URL |
| encode.py | images and texts -> embeddings; a zero-shot classifier |
| kinds.py | which metrics a kind of task has, and how its set is read |
| metrics/ | the formulas, in numpy alone |
| identity.py | what an evaluation is identified by |
| results.py, averages.py | what is written of it |
| evaluate.py | all tasks with one model, resumed where they were left |
| writing.py | writes a set in the same layout |
"""
