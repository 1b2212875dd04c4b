"""MACs and time of three models by kaoprof and its peers, in one run: in process, and as a whole process.

Needs torchvision, transformers, fvcore, torchinfo, ptflops and torchlens: python tests/benchmarks/bench_peers.py
"""

import resource
import subprocess
import sys
import time
import warnings

COUNTERS = ("kaoprof", "torch", "fvcore", "torchinfo", "ptflops", "torchlens")
MODELS = ("mobilenet_v2", "vit_b_16", "swin_t of transformers")


def built(name):
    """The model in evaluation mode, and an image for it."""
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(1)
    if name.startswith("swin"):
        import transformers

        model = transformers.SwinModel(transformers.SwinConfig())
    else:
        import torchvision

        model = getattr(torchvision.models, name)()
    return model.eval(), torch.randn(1, 3, 224, 224)


def with_kaoprof(model, x):
    import kaoprof

    return kaoprof.count(model, x).macs


def with_torch(model, x):
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.to("meta")(x.to("meta"))
    return counter.get_total_flops() // 2


def with_fvcore(model, x):
    from fvcore.nn import FlopCountAnalysis

    return int(FlopCountAnalysis(model, x).unsupported_ops_warnings(False).uncalled_modules_warnings(False).total())


def with_torchinfo(model, x):
    import torchinfo

    return torchinfo.summary(model, input_data=x, verbose=0).total_mult_adds


def with_ptflops(model, x):
    from ptflops import get_model_complexity_info

    macs, _ = get_model_complexity_info(
        model, tuple(x.shape[1:]), as_strings=False, print_per_layer_stat=False, verbose=False
    )
    return int(macs)


def with_torchlens(model, x):
    import torchlens

    return int(torchlens.trace(model, x).total_macs_forward)


def one(counter, name):
    """Prints MACs and seconds of processor time of the second of two counts."""
    warnings.simplefilter("ignore")
    action = globals()[f"with_{counter}"]
    action(*built(name))
    model, x = built(name)
    start = time.process_time()
    macs = action(model, x)
    print(macs, time.process_time() - start)


def main():
    """Prints a table."""
    print(f"{'model':24} {'counter':10} {'MACs':>16} {'in process':>11} {'whole process':>14}")
    for name in MODELS:
        for counter in COUNTERS:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run(
                [sys.executable, __file__, counter, name], capture_output=True, text=True, check=False
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            whole_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            if done.returncode:
                print(f"{name:24} {counter:10} {(done.stderr.strip().splitlines() or ['died'])[-1][:70]}")
                continue
            macs, seconds = done.stdout.split()[-2:]
            print(f"{name:24} {counter:10} {int(macs):16,} {float(seconds):9.2f} s {whole_s:12.1f} s", flush=True)


if __name__ == "__main__":
    one(*sys.argv[1:]) if len(sys.argv) > 1 else main()
