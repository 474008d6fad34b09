import pytest

from ibnb.tws.accounts import is_paper, mask, mask_in


@pytest.mark.parametrize(
    ("accounts", "paper"),
    [
        (["DU1234567"], True),
        (["DF1234567", "DU1234568"], True),
        (["U1234567"], False),
        (["DU1234567", "U1234567"], False),
        ([], False),
    ],
)
def test_a_session_is_paper_when_all_its_accounts_are(accounts, paper):
    """Paper accounts begin with D; one live account makes the session live."""
    assert is_paper(accounts) is paper


@pytest.mark.parametrize(
    ("account", "shown"),
    [("DU1234567", "DU•••567"), ("U12345678", "U1•••678"), ("DU123", "•••"), ("", "•••")],
)
def test_mask_keeps_two_and_three_characters(account, shown):
    """Enough to recognise one's own account, too little to use it."""
    assert mask(account) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("order for DU1234567 refused", "order for DU•••567 refused"),
        ("U1234567,F7654321", "U1•••567,F7•••321"),
        ("acct_DU1234567_x", "acct_DU•••567_x"),
        ("(DUM123456)", "(DU•••456)"),
        ("DF1234567A", "DF•••67A"),
        ("FORD U12 ID1234 MU1234567", "FORD U12 ID1234 MU1234567"),
    ],
)
def test_mask_in_finds_accounts_in_a_text(text, shown):
    """What looks like an account is masked wherever it stands; other words stay."""
    assert mask_in(text) == shown
