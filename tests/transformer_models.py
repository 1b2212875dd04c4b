"""Factories of models that nobody here wrote: the transformers package's, by its defaults, with random weights."""


def vit(attention):
    from transformers import ViTConfig, ViTModel

    return ViTModel(ViTConfig(attn_implementation=attention))


def swin(attention):
    from transformers import SwinConfig, SwinModel

    return SwinModel(SwinConfig(attn_implementation=attention))


def segformer(attention):
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    return SegformerForSemanticSegmentation(SegformerConfig(attn_implementation=attention))


def mobilenetv2(attention):
    from transformers import MobileNetV2Config, MobileNetV2ForImageClassification

    return MobileNetV2ForImageClassification(MobileNetV2Config(attn_implementation=attention))
