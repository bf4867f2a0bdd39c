"""Do two sentences say the same? A beginner's fine-tuning loop, written out in plain PyTorch.

    python examples/mrpc.py [MODEL_FOLDER] [DATA_FOLDER]

The same, tested and saved, with the settings found for the data: `lightune train examples/data/mrpc`
"""

import csv
import subprocess
import sys
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

EPOCHS, BATCH, RATE = 10, 8, 1e-4
default = [sys.executable, "-m", "lightune", "models", "path", "minilm"]
name = sys.argv[1] if len(sys.argv) > 1 else subprocess.check_output(default, text=True).strip()
folder = Path(sys.argv[2] if len(sys.argv) > 2 else Path(__file__).parent / "data" / "mrpc")

torch.manual_seed(0)
tokenizer = AutoTokenizer.from_pretrained(name)
model = AutoModelForSequenceClassification.from_pretrained(name, num_labels=2)
optimizer = torch.optim.Adam(model.parameters(), lr=RATE)


def batches(file, shuffle):
    """Mini-batches of the official columns: Quality, #1 ID, #2 ID, #1 String, #2 String."""
    with open(folder / file, encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    for chosen in torch.utils.data.DataLoader(rows, BATCH, shuffle):
        pairs = chosen["#1 String"], chosen["#2 String"]
        encoded = tokenizer(*pairs, truncation=True, padding=True, return_tensors="pt")
        yield encoded, torch.tensor([int(quality) for quality in chosen["Quality"]])


for epoch in range(1, EPOCHS + 1):
    model.train()
    losses = []
    for encoded, gold in batches("train.tsv", shuffle=True):
        loss = torch.nn.functional.cross_entropy(model(**encoded).logits, gold)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        right = [(model(**e).logits.argmax(1) == gold) for e, gold in batches("dev.tsv", shuffle=False)]
    loss, accuracy = sum(losses) / len(losses), torch.cat(right).float().mean()
    print(f"epoch {epoch}: loss {loss:.3f}, accuracy {accuracy:.2f}")
