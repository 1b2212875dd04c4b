"""From a spec to what can be computed, built and run: analytic costs, overrides, modules, workloads.

Everything but the building of modules is torch-free. A document is first overridden, if at all; then all else follows
from it.
"""

from kaoprof.networks.checking import check_spec, network_cost
from kaoprof.networks.overrides import override
from kaoprof.networks.workloads import build_network, code_workload, network_workload

__all__ = ["build_network", "check_spec", "code_workload", "network_cost", "network_workload", "override"]
