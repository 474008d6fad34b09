"""What an opening or closing may have left behind in this process."""

import asyncio
import os

import psutil


def sockets():
    """Return this process's TCP sockets that are connected to a peer, as pairs of ports."""
    connections = psutil.Process(os.getpid()).net_connections("tcp")
    return {(one.laddr.port, one.raddr.port) for one in connections if one.raddr}


def sockets_to(port):
    """Return how many of this process's sockets are connected to a port."""
    return sum(remote == port for _, remote in sockets())


def others():
    """Return the tasks of the running loop besides the one that asks."""
    return asyncio.all_tasks() - {asyncio.current_task()}
