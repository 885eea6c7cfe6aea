"""Train ResNet-50 on 64×64 images, export it and put it on the shelf."""

import os

# Both are read once, when TensorFlow and Keras are first imported; whoever set them keeps them.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
