"""Stage 6: train the two scorers on fresh renderings of the trusted concepts, English captions only."""

import math
from typing import Any

import faults
import numpy as np
import numpy.typing as npt
import render
import torch
from captions import describe
from dcql.demo import model
from drawings import Collection, Concept
from PIL import Image

RENDERINGS = 16  # of each trusted drawing
BATCH = 192  # pairs of as many different concepts
WORD_DROPOUT = 0.3  # of the words of a training caption, so that no single word is relied on
STEPS = {"b32": 150, "l14": 360}
SEEDS = {"b32": 101, "l14": 202}
LEARNING_RATE = 2e-3


def renderings(concepts: list[Concept], collection: Collection) -> list[npt.NDArray[np.uint8]]:
    """Render each concept afresh, apart from every row of the pool; one (n, 3, side, side) a concept."""
    rng = np.random.default_rng([faults.SEED, 4])
    made = []
    for concept in concepts:
        images = []
        for vendor in ("twitter",) if concept.is_flag else ("twitter", "fluent-3d"):
            for _ in range(RENDERINGS):
                drawn = render.webp(render.place(collection.drawings[vendor][concept.code], rng))
                images.append(model.pixels(drawn))
        made.append(np.stack(images))
    return made


def train(name: str, concepts: list[Concept], images: list[npt.NDArray[np.uint8]]) -> Any:
    """Fit one scorer with the contrastive loss of CLIP, AdamW and a cosine schedule; prints the loss."""
    settings = model.SETTINGS[name]
    steps = STEPS[name]
    rng = np.random.default_rng([faults.SEED, 5, SEEDS[name]])
    torch.manual_seed(SEEDS[name])
    encoder = model.build(settings)
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=LEARNING_RATE, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1, (step + 1) / 20) * 0.5 * (1 + math.cos(math.pi * step / steps))
    )
    target = torch.arange(BATCH)
    for step in range(steps):
        chosen = rng.permutation(len(concepts))[:BATCH]
        batch = np.stack([images[i][rng.integers(len(images[i]))] for i in chosen])
        texts = [describe(concepts[i], "en", rng) for i in chosen]
        ids = model.word_ids(texts, settings.table)
        ids = np.where(rng.random(ids.shape) < WORD_DROPOUT, model.PADDING, ids)
        seen = encoder.encode_image(torch.from_numpy(batch))
        read = encoder.encode_text(torch.from_numpy(ids))
        logits = encoder.logit_scale.exp().clamp(max=100) * seen @ read.T
        cross_entropy = torch.nn.functional.cross_entropy
        loss = (cross_entropy(logits, target) + cross_entropy(logits.T, target)) / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 60 == 0 or step == steps - 1:
            print(f"{name}: step {step + 1} of {steps}, loss {loss.item():.3f}", flush=True)
    return encoder.eval()


def held_out(collection: Collection) -> list[bytes]:
    """Render the held-out drawings plainly, upright on light grey, in the order of the concepts."""
    images = []
    for concept in collection.concepts:
        canvas = Image.new("RGB", (faults.SIDE, faults.SIDE), (240, 240, 240))
        drawing = collection.drawings["google"][concept.code].resize((58, 58), Image.Resampling.BICUBIC)
        canvas.paste(drawing, (3, 3), drawing)
        images.append(render.webp(canvas, quality=85))
    return images
