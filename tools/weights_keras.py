"""Writes test/fixtures/weights/*.h5 and *.keras with Keras, and Keras's outputs.

Run by hand with Keras installed: KERAS_BACKEND=torch python tools/weights_keras.py
With tf_keras (Keras 2) instead of Keras 3: python tools/weights_keras.py --keras2
"""

import json
import pathlib
import sys

import numpy as np

KERAS2 = "--keras2" in sys.argv
if KERAS2:
    import tf_keras as keras
else:
    import keras
layers = keras.layers

FOLDER = pathlib.Path(__file__).parent.parent / "test/fixtures/weights"
BLOCKS = {"A": [1, 1, 2, 2, 2], "D": [2, 2, 3, 3, 3]}
CHANNELS = [1, 2, 4, 8, 8]


def synthetic_image(side):
    """As in weights_networks.py, which needs PyTorch."""
    c, y, x = np.meshgrid(np.arange(3), np.arange(side), np.arange(side), indexing="ij")
    return ((37 * c + 7 * y + 13 * x + (x * y) % 251) % 256).astype(np.float64)


def network(configuration, batch_norm=False, classifier=True):
    """keras.applications.VGG16 at width 1/64 and crop 64: the same layers under the same names."""
    image = current = keras.Input((64, 64, 3))
    for block, count in enumerate(BLOCKS[configuration], 1):
        for place in range(1, count + 1):
            name = f"block{block}_conv{place}"
            channels = CHANNELS[block - 1]
            activation = None if batch_norm else "relu"
            current = layers.Conv2D(channels, 3, padding="same", activation=activation, name=name)(current)
            if batch_norm:
                current = layers.BatchNormalization()(current)
                current = layers.Activation("relu")(current)
        current = layers.MaxPooling2D(2, strides=2, name=f"block{block}_pool")(current)
    if classifier:
        current = layers.Flatten(name="flatten")(current)
        current = layers.Dense(64, activation="relu", name="fc1")(current)
        current = layers.Dense(64, activation="relu", name="fc2")(current)
        current = layers.Dense(5, name="predictions")(current)
    return keras.Model(image, current)


def randomize(model, seed):
    generator = np.random.default_rng(seed)
    for layer in model.layers:
        values = layer.get_weights()
        if isinstance(layer, layers.BatchNormalization):
            size = values[0].shape
            values = [
                0.5 + generator.random(size),
                generator.random(size) * 0.5,
                generator.standard_normal(size) * 0.5,
                0.5 + generator.random(size),
            ]
        elif values:
            fan_in = values[0][..., 0].size
            values = [generator.standard_normal(values[0].shape) * (2 / fan_in) ** 0.5, generator.random(values[1].shape) * 0.5]
            if layer.name == "block1_conv1":
                values[0] /= 60
        layer.set_weights(values)
    return model


def answer(model):
    image = synthetic_image(64) - np.reshape((123.68, 116.779, 103.939), (3, 1, 1))
    return [float(v) for v in np.asarray(model.predict(image[::-1].transpose(1, 2, 0)[None].astype(np.float32), verbose=0)).reshape(-1)]


def main():
    plain = randomize(network("A"), 31)
    normalized = randomize(network("A", batch_norm=True), 32)
    answers = {}

    def save(model, name, save_model):
        save_model(FOLDER / name)
        answers[name] = answer(model)

    if KERAS2:
        save(plain, "keras2-a.weights.h5", lambda path: plain.save_weights(path, save_format="h5"))
        save(normalized, "keras2-a-bn.h5", lambda path: normalized.save(path, include_optimizer=False))
    else:
        save(plain, "keras3-a.h5", lambda path: plain.save(path))
        save(plain, "keras3-a.weights.h5", lambda path: plain.save_weights(path))
        save(plain, "keras3-a.keras", lambda path: plain.save(path))
        network("A", classifier=False).save_weights(FOLDER / "keras3-notop.weights.h5")
    (FOLDER / f"answers-keras{2 if KERAS2 else 3}.json").write_text(json.dumps(answers, indent=1) + "\n")


if __name__ == "__main__":
    main()
