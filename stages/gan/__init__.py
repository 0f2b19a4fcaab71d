"""Generative adversarial networks: what the two sections of Chapter 8 share."""
