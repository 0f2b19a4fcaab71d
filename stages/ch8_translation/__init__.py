"""Chapter 8, Section 8.1: GAN, CycleGAN, and Long and Nest CycleGAN, which translate images between two domains."""
