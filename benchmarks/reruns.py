"""What many reruns of one `%ibconnect` cell leave behind: nothing.

In a real kernel, each rerun a cell of its own, which also attaches a handler and asks for market
data, as a user's does. The result is assigned, so that the notebook's `Out`, which is the user's,
keeps no `IB` object.
"""

from __future__ import annotations

from kernels import LIBRARY, Kernel
from measuring import Row

from ibnb.simulator.process import start_simulator

SHORT, LONG = 200, 1000
WARM_UP = 10
# IPython's history keeps a second file open until the disk has synced, on a busy one for seconds.
SETTING = """
%config HistoryManager.enabled = False
%load_ext ibnb
import {library}
"""
RERUN = """
ib = %ibconnect {port}
ib.errorEvent += print
_contract = {library}.Stock('AAPL', 'SMART', 'USD')
_ticker = ib.reqMktData(_contract)
"""
COUNT = """
def _count():
    import asyncio, gc, logging, sys, threading
    import psutil
    from ipywidgets import Widget
    gc.collect()
    shell = get_ipython()
    session = shell._ibnb.app.session
    process = psutil.Process()
    loggers = [one for one in logging.root.manager.loggerDict.values()
               if isinstance(one, logging.Logger)]
    return {{
        "sockets": len(process.net_connections("tcp")),
        "files": process.num_fds() if hasattr(process, "num_fds") else process.num_handles(),
        "threads": threading.active_count(),
        "tasks": len(asyncio.all_tasks()),
        "IB objects": sum(isinstance(one, {library}.IB) for one in gc.get_objects()),
        "widgets": len(Widget.widgets),
        "handlers": sum(map(len, shell.events.callbacks.values())) + len(session.listeners)
            + sum(len(getattr(ib, name)) for name in ib.events)
            + len(ib.client.conn.hasData) + len(ib.client.conn.disconnected)
            + len({library}.util.globalErrorEvent) + sum(len(one.filters) for one in loggers),
        "known connections": len(session.registry.all()),
    }}
"""


def measure(*, long: bool) -> list[Row]:
    """Rerun, and compare what there is after a few reruns with what there is after all."""
    times = LONG if long else SHORT
    gateway = start_simulator()
    try:
        with Kernel() as kernel:
            kernel.run(SETTING.format(library=LIBRARY))
            kernel.run(COUNT.format(library=LIBRARY))
            cell = RERUN.format(port=gateway.port, library=LIBRARY)
            for _ in range(WARM_UP):
                kernel.run(cell)
            before = kernel.value("_count()")
            for _ in range(times):
                kernel.run(cell)
            after = kernel.value("_count()")
    finally:
        gateway.stop()
    grown = {name: after[name] - count for name, count in before.items() if after[name] > count}
    counted = ", ".join(f"{count} {name}" for name, count in after.items())
    growth = ", ".join(f"{count} more {name}" for name, count in grown.items())
    return [Row(f"{times} reruns", growth or f"no growth ({counted})", "no growth", not grown)]
