"""The whole VGG-16 that torchvision trained (IMAGENET1K_V1), for RGB bytes brought to a deviation of 1."""

from stages.encoders.vgg16 import Weights

WEIGHTS = Weights("vgg16.pth", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375), whole=True)
