"""What the benchmark of load reads out of wrk."""

import pytest

from benchmarks.wrk import Load, read_wrk

_SAID = """\
Running 5s test @ http://127.0.0.1:8000
  1 threads and 8 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    52.18ms   40.11ms 310.00ms   75.00%
    Req/Sec   153.00     30.00   210.00     70.00%
  Latency Distribution
     50%   48.90ms
     75%   80.00ms
     90%  110.00ms
     99%    1.20s{blank}
  765 requests in 5.01s, 30.10MB read
{more}Requests/sec:    152.69
Transfer/sec:      6.01MB
"""


@pytest.mark.parametrize(
    ("more", "errors"),
    [
        ("", 0),
        ("  Non-2xx or 3xx responses: 7\n", 7),
        ("  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 7\n", 17),
    ],
)
def test_figures_of_wrk_are_read(more: str, errors: int) -> None:
    assert read_wrk("a", _SAID.format(more=more, blank=" "), 1, 2) == Load(
        "a", 152.69, 0.0489, 1.2, errors, 765, 1, 2
    )


def test_what_is_not_of_wrk_is_an_error() -> None:
    with pytest.raises(ValueError, match="unable to connect"):
        read_wrk("a", "unable to connect to 127.0.0.1:1 Connection refused", 1, 2)
