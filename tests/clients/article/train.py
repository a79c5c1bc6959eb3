"""Train on iris and leave the model in a file: `python train.py ESTIMATORS VERSION FILE`."""

import sys

import joblib
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split


def train(estimators: int) -> tuple[RandomForestClassifier, float]:
    """Return the model and its accuracy on what it did not see."""
    rows, labels = load_iris(return_X_y=True)
    split = train_test_split(rows, labels, test_size=0.2, random_state=7, stratify=labels)
    model = RandomForestClassifier(estimators, random_state=7).fit(split[0], split[2])
    return model, float(model.score(split[1], split[3]))


if __name__ == "__main__":
    model, accuracy = train(int(sys.argv[1]))
    print(f"accuracy {accuracy:.3f}")
    joblib.dump({"model": model, "version": sys.argv[2]}, sys.argv[3])
