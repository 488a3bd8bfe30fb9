"""The architectures: public networks of seven packages and of torch, small, with random weights.

Each is made as its package makes it. Two kinds are wrapped: a detector of torchvision gets its list of images from one
tensor, and torchaudio's Conformer the lengths of its sequences, all of them full. Inputs have a dynamic batch, and
dynamic sizes where users have them. torch and the packages are imported only when an architecture is made.
"""

import importlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from torch import nn

    import torch_nacelle as nacelle

Made: TypeAlias = "tuple[nn.Module, Sequence[nacelle.Input]]"


@dataclass(frozen=True)
class Architecture:
    """One network.

    Attributes:
        name: Its name, which no other has.
        family: The package that it comes from.
        make: Makes the module, in eval mode and on the CPU, and the inputs of its forward by position.
    """

    name: str
    family: str
    make: Callable[[], Made]


_Range: TypeAlias = int | tuple[int, int, int]  # a size, or min, opt and max

BATCH = (1, 2, 4)


def _input(*shape: _Range, dtype: str = "float32") -> "nacelle.Input":
    import torch

    import torch_nacelle as nacelle

    ranges = [extent if isinstance(extent, tuple) else (extent, extent, extent) for extent in shape]
    least, usual, largest = zip(*ranges, strict=True)
    if least == largest:
        return nacelle.Input(shape=least, dtype=getattr(torch, dtype))
    return nacelle.Input(min=least, opt=usual, max=largest, dtype=getattr(torch, dtype))


def _images(size: _Range, channels: int = 3) -> "nacelle.Input":
    return _input(BATCH, channels, size, size)


_LENGTH = (4, 8, 16)


def _tokens(length: _Range = _LENGTH) -> "nacelle.Input":
    return _input(BATCH, length, dtype="int64")


def _package(name: str) -> Any:
    os.environ["HF_HUB_OFFLINE"] = "1"  # nothing is fetched
    from bench.coverage.compiled_operators import make_importable

    make_importable()
    return importlib.import_module(name)


_MAKERS: list[Architecture] = []


def _add(family: str, name: str, make: Callable[[], Made]) -> None:
    _MAKERS.append(Architecture(name, family, make))


# torch ----------------------------------------------------------------------------------------------------------------


def _torch_layer(name: str, *arguments: Any, inputs: Callable[[], list["nacelle.Input"]], **keywords: Any) -> None:
    def make() -> Made:
        from torch import nn

        return getattr(nn, name)(*arguments, **keywords).eval(), inputs()

    _add("torch", f"nn.{name}", make)


def _sequence(features: int) -> "nacelle.Input":
    return _input(BATCH, _LENGTH, features)


_torch_layer("Transformer", 32, 4, 2, 2, 64, batch_first=True, inputs=lambda: [_sequence(32), _sequence(32)])
_torch_layer("TransformerEncoderLayer", 32, 4, 64, batch_first=True, inputs=lambda: [_sequence(32)])
_torch_layer("TransformerDecoderLayer", 32, 4, 64, batch_first=True, inputs=lambda: [_sequence(32), _sequence(32)])
_torch_layer("MultiheadAttention", 32, 4, batch_first=True, inputs=lambda: [_sequence(32)] * 3)
_torch_layer("LSTM", 16, 24, 2, batch_first=True, bidirectional=True, inputs=lambda: [_sequence(16)])
_torch_layer("GRU", 16, 24, 2, batch_first=True, inputs=lambda: [_sequence(16)])
_torch_layer("RNN", 16, 24, batch_first=True, inputs=lambda: [_sequence(16)])


# torchvision ----------------------------------------------------------------------------------------------------------


def _torchvision(
    name: str, *inputs: Callable[[], "nacelle.Input"], within: str = "", size: _Range = 64, **keywords: Any
) -> None:
    def make() -> Made:
        place = _package("torchvision").models
        place = getattr(place, within) if within else place
        module = getattr(place, name)(weights=None, **keywords).eval()
        if within == "detection":
            return _of_one_tensor(module), [_input(1, 3, 96, 128)]
        return module, [one() for one in inputs] or [_images(size)]

    _add("torchvision", name, make)


def _of_one_tensor(detector: "nn.Module") -> "nn.Module":
    """A detector under a forward that takes images of one size as one tensor."""
    from torch import Tensor, nn

    class Images(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.detector = detector

        def forward(self, images: Tensor) -> Any:
            return self.detector([images[0]])[0]

    return Images().eval()


for _name in ("alexnet", "vgg11", "squeezenet1_1", "mobilenet_v2", "mobilenet_v3_small", "resnet18",
              "resnext50_32x4d", "densenet121", "shufflenet_v2_x0_5", "mnasnet0_5", "efficientnet_b0",
              "regnet_y_400mf", "convnext_tiny"):  # fmt: skip
    _torchvision(_name, size=(64, 64, 96))
_torchvision("googlenet", size=64, init_weights=False)
_torchvision("inception_v3", size=96, init_weights=False)
_torchvision("vit_b_16", size=64, image_size=64)
_torchvision("swin_t", size=64)
_torchvision("swin_v2_t", size=64)
_torchvision("maxvit_t", size=224, input_size=(224, 224))
for _name in ("fcn_resnet50", "deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large"):
    _torchvision(_name, within="segmentation", size=(64, 64, 96), weights_backbone=None)
for _name in ("fasterrcnn_mobilenet_v3_large_320_fpn", "maskrcnn_resnet50_fpn", "keypointrcnn_resnet50_fpn",
              "retinanet_resnet50_fpn", "fcos_resnet50_fpn", "ssd300_vgg16",
              "ssdlite320_mobilenet_v3_large"):  # fmt: skip
    _sizes = {} if _name.startswith("ssd") else {"min_size": 128, "max_size": 192}
    _torchvision(_name, within="detection", weights_backbone=None, **_sizes)
_torchvision("raft_small", *[lambda: _images(128)] * 2, within="optical_flow")
_torchvision("r3d_18", lambda: _input(BATCH, 3, (8, 8, 12), 32, 32), within="video")
_torchvision("s3d", lambda: _input(BATCH, 3, 16, 224, 224), within="video")
_torchvision("swin3d_t", lambda: _input(BATCH, 3, 8, 32, 32), within="video")


# timm -----------------------------------------------------------------------------------------------------------------


def _timm(name: str, size: _Range = 64, **keywords: Any) -> None:
    def make() -> Made:
        return _package("timm").create_model(name, pretrained=False, **keywords).eval(), [_images(size)]

    _add("timm", f"timm {name}", make)


for _name in ("repvgg_a0", "hrnet_w18_small", "res2net50_26w_4s", "resnest14d", "skresnet18", "lcnet_050",
              "mobileone_s0", "pvt_v2_b0", "dpn48b", "ghostnet_100", "mobilenetv4_conv_small", "repvit_m0_9",
              "nf_regnet_b0", "convnextv2_atto", "poolformer_s12", "mambaout_femto", "fastvit_t8", "edgenext_xx_small",
              "efficientvit_b0", "mobilevitv2_050", "mobilevit_xxs"):  # fmt: skip
    _timm(_name)
for _name in ("vit_tiny_patch16_224", "beit_base_patch16_224"):
    _timm(_name, img_size=64, depth=2)
_timm("eva02_tiny_patch14_224", size=56, img_size=56)
for _name in ("xcit_nano_12_p16_224", "cait_xxs24_224", "mixer_s32_224", "tnt_s_patch16_224"):
    _timm(_name, img_size=64)
_timm("crossvit_tiny_240", size=240)
_timm("levit_128s", size=224)
_timm("swin_tiny_patch4_window7_224", size=56, img_size=56)
_timm("swinv2_tiny_window8_256", img_size=64)
_timm("maxvit_rmlp_pico_rw_256", img_size=64)
_timm("coatnet_0_rw_224", img_size=64)
_timm("twins_svt_small")
_timm("hiera_tiny_224", img_size=64)
_timm("halonet26t", size=256)
_timm("sequencer2d_s")


# transformers ---------------------------------------------------------------------------------------------------------

_TEXT: dict[str, Any] = {
    "vocab_size": 99,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}


def _transformers(
    model: str,
    config: str,
    inputs: Callable[[], list["nacelle.Input"]],
    *,
    nested: Callable[[Any], dict[str, Any]] = lambda _: {},
    **keywords: Any,
) -> None:
    """Adds a network of transformers, by its class and its configuration's class and arguments.

    Args:
        model: The class.
        config: Its configuration's class.
        inputs: Makes its inputs.
        nested: Makes arguments that need other classes of the package, which it is given.
        keywords: The other arguments.
    """

    def make() -> Made:
        transformers = _package("transformers")
        module = getattr(transformers, model)(getattr(transformers, config)(**keywords, **nested(transformers)))
        return module.eval(), inputs()

    _add("transformers", model, make)


def _text() -> list["nacelle.Input"]:
    return [_tokens(), _tokens()]


for _name in ("Bert", "Roberta", "MPNet", "ConvBert", "Nystromformer", "RoFormer", "DebertaV2"):  # fmt: skip
    _transformers(f"{_name}Model", f"{_name}Config", _text, **(_TEXT | {"pad_token_id": 0}))
_transformers("DistilBertModel", "DistilBertConfig", _text, vocab_size=99, dim=32, n_layers=2, n_heads=4, hidden_dim=64)
_transformers("AlbertModel", "AlbertConfig", _text, **_TEXT, embedding_size=16)
_transformers("FNetModel", "FNetConfig", lambda: [_tokens()], **_TEXT)
_transformers("MobileBertModel", "MobileBertConfig", _text, vocab_size=99, hidden_size=64, num_hidden_layers=2,
              embedding_size=32, intra_bottleneck_size=32, intermediate_size=64)  # fmt: skip
_transformers("FunnelModel", "FunnelConfig", _text, vocab_size=99, block_sizes=[1, 1], d_model=32, n_head=4, d_head=8,
              d_inner=64)  # fmt: skip
_transformers("XLNetModel", "XLNetConfig", lambda: [_tokens()], vocab_size=99, d_model=32, n_layer=2, n_head=4,
              d_inner=64)  # fmt: skip
_transformers("ModernBertModel", "ModernBertConfig", _text, **_TEXT, pad_token_id=0)
_transformers("LongformerModel", "LongformerConfig", lambda: [_tokens(16)] * 2, **_TEXT, attention_window=8,
              pad_token_id=0)  # fmt: skip
_transformers("BertForQuestionAnswering", "BertConfig", _text, **_TEXT)

for _name in ("GPT2", "GPTNeo", "GPTJ", "CodeGen"):
    _transformers(f"{_name}Model", f"{_name}Config", lambda: [_tokens()], vocab_size=99, use_cache=False,
                  **({"hidden_size": 32, "num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]],
                      "intermediate_size": 64, "max_position_embeddings": 64} if _name == "GPTNeo" else
                     {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64,
                      **({} if _name == "GPT2" else {"rotary_dim": 4})}))  # fmt: skip
for _name in ("GPTNeoX", "Llama", "Mistral", "Qwen2", "Gemma", "Phi"):
    _heads = {} if _name == "GPTNeoX" else {"num_key_value_heads": 2}
    _transformers(f"{_name}Model", f"{_name}Config", _text, use_cache=False, **(_TEXT | _heads))  # fmt: skip
_transformers("Qwen3Model", "Qwen3Config", _text, use_cache=False, **_TEXT, num_key_value_heads=2, head_dim=8)
_transformers("MixtralModel", "MixtralConfig", _text, use_cache=False, **_TEXT, num_key_value_heads=2,
              num_local_experts=4)  # fmt: skip
_transformers("OPTModel", "OPTConfig", _text, use_cache=False, vocab_size=99, hidden_size=32, num_hidden_layers=2,
              num_attention_heads=4, ffn_dim=64, max_position_embeddings=64, word_embed_proj_dim=32)  # fmt: skip
_transformers("BloomModel", "BloomConfig", lambda: [_tokens()], use_cache=False, vocab_size=99, hidden_size=32,
              n_layer=2, n_head=4)  # fmt: skip
_transformers("FalconModel", "FalconConfig", lambda: [_tokens()], use_cache=False, vocab_size=99, hidden_size=32,
              num_hidden_layers=2, num_attention_heads=4)  # fmt: skip
_transformers("MambaModel", "MambaConfig", lambda: [_tokens()], use_cache=False, vocab_size=99, hidden_size=32,
              num_hidden_layers=2, state_size=8)  # fmt: skip

_ENCODER_DECODER: dict[str, Any] = {
    "vocab_size": 99,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "use_cache": False,
}
_T5: dict[str, Any] = {
    "vocab_size": 99,
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 64,
    "num_layers": 2,
    "num_heads": 4,
    "use_cache": False,
}
_transformers("T5EncoderModel", "T5Config", _text, **_T5)
_transformers("T5Model", "T5Config", lambda: [_tokens(), _tokens(), _tokens()], **_T5)
_transformers("BartModel", "BartConfig", lambda: [_tokens(), _tokens(), _tokens()], **_ENCODER_DECODER)
_transformers("MarianModel", "MarianConfig", lambda: [_tokens(), _tokens(), _tokens()],
              **_ENCODER_DECODER, pad_token_id=0, decoder_start_token_id=0)  # fmt: skip

_VISION: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "image_size": 32,
    "patch_size": 8,
}
for _name in ("ViT", "Dinov2", "Yolos"):
    _yolos = {"image_size": [32, 32], "num_detection_tokens": 8} if _name == "Yolos" else {}
    _transformers(f"{_name}Model", f"{_name}Config", lambda: [_images(32)], **(_VISION | _yolos))
_transformers("SwinModel", "SwinConfig", lambda: [_images(32)], image_size=32, patch_size=2, embed_dim=16,
              depths=[1, 2], num_heads=[2, 2], window_size=4)  # fmt: skip
_transformers("SegformerModel", "SegformerConfig", lambda: [_images((64, 64, 96))], depths=[1, 1, 1, 1],
              hidden_sizes=[8, 16, 24, 32], num_attention_heads=[1, 1, 2, 2])  # fmt: skip
_transformers("ConvNextModel", "ConvNextConfig", lambda: [_images((32, 64, 96))], depths=[1, 1, 1, 1],
              hidden_sizes=[8, 16, 24, 32])  # fmt: skip
_transformers("MobileViTModel", "MobileViTConfig", lambda: [_images(64)], hidden_sizes=[16, 24, 32],
              neck_hidden_sizes=[8, 8, 16, 16, 24, 32, 64], num_attention_heads=2, image_size=64)  # fmt: skip
_transformers("CLIPVisionModel", "CLIPVisionConfig", lambda: [_images(32)], **_VISION)
_transformers("CLIPTextModel", "CLIPTextConfig", _text, **_TEXT)
_transformers("CLIPModel", "CLIPConfig", lambda: [_tokens(), _images(32)], text_config=_TEXT, vision_config=_VISION)
_transformers("SiglipVisionModel", "SiglipVisionConfig", lambda: [_images(32)], **_VISION)
_transformers("DPTForDepthEstimation", "DPTConfig", lambda: [_images(32)], **(_VISION | {"num_hidden_layers": 4}),
              backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[8, 8, 16, 16], fusion_hidden_size=16)  # fmt: skip
_transformers("DetrModel", "DetrConfig", lambda: [_images(64)], d_model=32, encoder_layers=1, decoder_layers=1,
              encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64,
              num_queries=6, use_timm_backbone=False, use_pretrained_backbone=False,
              nested=lambda package: {"backbone_config": package.ResNetConfig(
                  embedding_size=8, hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1],
                  out_features=["stage4"])})  # fmt: skip

_AUDIO: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "conv_dim": [16, 16],
    "conv_kernel": [10, 3],
    "conv_stride": [5, 2],
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}


def _waves() -> list["nacelle.Input"]:
    return [_input(BATCH, (800, 1600, 3200))]


for _name in ("Wav2Vec2", "Hubert", "WavLM"):
    _transformers(f"{_name}Model", f"{_name}Config", _waves, **_AUDIO)
_transformers("WhisperModel", "WhisperConfig", lambda: [_input(BATCH, 8, 60), _tokens(60), _tokens()],
              **_ENCODER_DECODER, num_mel_bins=8, max_source_positions=30, max_target_positions=20, pad_token_id=0,
              decoder_start_token_id=1)  # fmt: skip
_transformers("ASTModel", "ASTConfig", lambda: [_input(BATCH, 32, 16)], hidden_size=32, num_hidden_layers=2,
              num_attention_heads=4, intermediate_size=64, patch_size=8, max_length=32, num_mel_bins=16)  # fmt: skip
_transformers("PatchTSTModel", "PatchTSTConfig", lambda: [_input(BATCH, 32, 3)], num_input_channels=3,
              context_length=32, patch_length=4, patch_stride=4, d_model=16, num_hidden_layers=2,
              num_attention_heads=2, ffn_dim=32)  # fmt: skip


# torchaudio -----------------------------------------------------------------------------------------------------------


def _torchaudio(name: str, build: Callable[[Any], "nn.Module"], inputs: Callable[[], list["nacelle.Input"]]) -> None:
    def make() -> Made:
        return build(_package("torchaudio")).eval(), inputs()

    _add("torchaudio", name, make)


def _of_full_sequences(conformer: "nn.Module") -> "nn.Module":
    import torch
    from torch import Tensor, nn

    class Sequences(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conformer = conformer

        def forward(self, sequences: Tensor) -> Any:
            return self.conformer(sequences, torch.full((sequences.shape[0],), sequences.shape[1]))

    return Sequences()


def _lengths() -> "nacelle.Input":
    return _input(BATCH, dtype="int64")


_torchaudio("Wav2Letter", lambda audio: audio.models.Wav2Letter(num_classes=10, num_features=8, input_type="mfcc"),
            lambda: [_input(BATCH, 8, (32, 64, 96))])  # fmt: skip
_torchaudio("DeepSpeech", lambda audio: audio.models.DeepSpeech(n_feature=8, n_hidden=32, n_class=10),
            lambda: [_input(BATCH, 1, (8, 16, 32), 8)])  # fmt: skip
_torchaudio("Conformer", lambda audio: _of_full_sequences(audio.models.Conformer(32, 4, 64, 2, 15)),
            lambda: [_input(BATCH, (8, 16, 32), 32)])  # fmt: skip
_torchaudio("ConvTasNet", lambda audio: audio.models.ConvTasNet(2, 16, 32, 3, 16, 32, 2, 1),
            lambda: [_input(BATCH, 1, (320, 640, 960))])  # fmt: skip
_torchaudio(
    "torchaudio Wav2Vec2",
    lambda audio: audio.models.wav2vec2_model(
        "group_norm", [(16, 10, 5), (16, 3, 2)], False, 32, 0.0, 16, 2, 2, 4, 0.0, 64, 0.0, 0.0, False, 0.0, None
    ),
    _waves,
)
_torchaudio("Emformer", lambda audio: audio.models.Emformer(32, 4, 64, 2, 4, right_context_length=1),
            lambda: [_input(BATCH, 9, 32), _lengths()])  # fmt: skip
_torchaudio("WaveRNN", lambda audio: audio.models.WaveRNN([4, 4], 16, 16, n_res_block=2, n_rnn=32, n_fc=32,
                                                         n_freq=8, n_hidden=16, n_output=16),
            lambda: [_input(BATCH, 1, 64), _input(BATCH, 1, 8, 8)])  # fmt: skip
_torchaudio("Spectrogram", lambda audio: audio.transforms.Spectrogram(n_fft=64), lambda: [_input(BATCH, 640)])
_torchaudio("MelSpectrogram", lambda audio: audio.transforms.MelSpectrogram(16000, n_fft=64, n_mels=8),
            lambda: [_input(BATCH, 640)])  # fmt: skip
_torchaudio("MFCC", lambda audio: audio.transforms.MFCC(16000, 8, melkwargs={"n_fft": 64, "n_mels": 16}),
            lambda: [_input(BATCH, 640)])  # fmt: skip


# diffusers ------------------------------------------------------------------------------------------------------------


def _diffusers(name: str, inputs: Callable[[], list["nacelle.Input"]], **keywords: Any) -> None:
    def make() -> Made:
        return getattr(_package("diffusers"), name)(**keywords).eval(), inputs()

    _add("diffusers", name, make)


_BLOCKS: dict[str, Any] = {"block_out_channels": (16, 32), "layers_per_block": 1, "norm_num_groups": 8}
_diffusers("UNet2DModel", lambda: [_images(32), _lengths()], sample_size=32,
           down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
           **_BLOCKS)  # fmt: skip
_diffusers("UNet2DConditionModel", lambda: [_images(16, 4), _lengths(), _sequence(16)], sample_size=16,
           down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
           cross_attention_dim=16, attention_head_dim=8, **_BLOCKS)  # fmt: skip
_diffusers("AutoencoderKL", lambda: [_images(32)], down_block_types=("DownEncoderBlock2D",) * 2,
           up_block_types=("UpDecoderBlock2D",) * 2, **_BLOCKS)  # fmt: skip
_diffusers("AutoencoderTiny", lambda: [_images(32)], encoder_block_out_channels=(16, 16),
           decoder_block_out_channels=(16, 16), num_encoder_blocks=(1, 1), num_decoder_blocks=(1, 1))  # fmt: skip
_diffusers("VQModel", lambda: [_images(32)], down_block_types=("DownEncoderBlock2D",) * 2,
           up_block_types=("UpDecoderBlock2D",) * 2, **_BLOCKS)  # fmt: skip
_diffusers("SD3Transformer2DModel",
           lambda: [_images(8, 4), _sequence(16), _input(BATCH, 12), _lengths()], sample_size=8, in_channels=4,
           patch_size=2, num_layers=1, attention_head_dim=8, num_attention_heads=4, joint_attention_dim=16,
           caption_projection_dim=32, pooled_projection_dim=12, out_channels=4)  # fmt: skip


# segmentation_models_pytorch ------------------------------------------------------------------------------------------


def _segmentation(name: str, size: _Range = (64, 64, 96)) -> None:
    def make() -> Made:
        module = getattr(_package("segmentation_models_pytorch"), name)("resnet18", encoder_weights=None)
        return module.eval(), [_images(size)]

    _add("segmentation_models_pytorch", f"smp {name}", make)


for _name in ("Unet", "UnetPlusPlus", "MAnet", "FPN", "PSPNet", "DeepLabV3Plus", "UPerNet", "Segformer"):
    _segmentation(_name)
_segmentation("PAN", (128, 128, 192))


# ultralytics ----------------------------------------------------------------------------------------------------------


def _ultralytics(name: str, kind: str = "DetectionModel") -> None:
    def make() -> Made:
        return getattr(_package("ultralytics.nn.tasks"), kind)(f"{name}.yaml", verbose=False).eval(), [
            _images((64, 64, 96))
        ]

    _add("ultralytics", name, make)


for _name in ("yolov8n", "yolov5n", "yolo11n", "yolov10n", "yolo12n"):
    _ultralytics(_name)
_ultralytics("yolov8n-seg", "SegmentationModel")
_ultralytics("yolov8n-pose", "PoseModel")

ARCHITECTURES: dict[str, Architecture] = {one.name: one for one in _MAKERS}
"""Every architecture by its name."""
