"""The kernels of a Jupyter server of the tests, forked as those of the kernel tests are."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from forked import ForkingProvisioner
from jupyter_server.services.kernels.kernelmanager import ServerKernelManager


class ForkingServerKernelManager(ServerKernelManager):
    """Starts, and starts again, a kernel by forking."""

    async def _async_pre_start_kernel(self, **options: Any) -> Any:
        if self.provisioner is None:
            self.kernel_id = self.kernel_id or options.pop("kernel_id", str(uuid4()))
            self.provisioner = ForkingProvisioner(
                kernel_id=self.kernel_id, kernel_spec=self.kernel_spec, parent=self
            )
        return await super()._async_pre_start_kernel(**options)

    pre_start_kernel = _async_pre_start_kernel
