"""Notices in the language of a gateway's user: the code stays, the text is another.

What is in no table stays English, as some notices of real gateways do.
"""

from __future__ import annotations

from collections.abc import Mapping

from .texts import Text

LANGUAGES = ("de", "fr", "es", "ja")
"""German, French, Spanish, Japanese."""

# By code and language; {} stands for what follows the last colon, or a farm's name.
_TEXTS: Mapping[int, tuple[str, str, str, str]] = {
    162: (
        "Fehlermeldung des Diensts für historische Marktdaten:{}",
        "Message d'erreur du service de données historiques :{}",
        "Mensaje de error del servicio de datos históricos:{}",
        "ヒストリカルデータサービスのエラーメッセージ:{}",
    ),
    200: (
        "Für die Anfrage wurde kein Wertpapier gefunden",
        "Aucune définition de titre n'a été trouvée pour cette demande",
        "No se ha encontrado ninguna definición de valor para la solicitud",
        "リクエストに該当する銘柄定義が見つかりません",
    ),
    201: (
        "Auftrag abgelehnt - Grund:{}",
        "Ordre refusé - motif :{}",
        "Orden rechazada - motivo:{}",
        "注文は拒否されました - 理由:{}",
    ),
    202: (
        "Auftrag storniert - Grund:{}",
        "Ordre annulé - motif :{}",
        "Orden cancelada - motivo:{}",
        "注文はキャンセルされました - 理由:{}",
    ),
    326: (
        "Verbindung nicht möglich: Die Client-ID wird bereits verwendet. Bitte eine andere wählen.",
        "Connexion impossible : l'identifiant client est déjà utilisé. Choisissez-en un autre.",
        "No se puede conectar: el ID de cliente ya está en uso. Elija otro.",
        "接続できません。クライアントIDは既に使用されています。別のIDを使用してください。",
    ),
    354: (
        "Die angeforderten Marktdaten sind nicht abonniert.",
        "Les données de marché demandées ne font pas l'objet d'un abonnement.",
        "Los datos de mercado solicitados no están suscritos.",
        "リクエストされたマーケットデータは購読されていません。",
    ),
    1100: (
        "Die Verbindung zwischen IBKR und der Trader Workstation ist abgebrochen.",
        "La connexion entre IBKR et Trader Workstation est perdue.",
        "Se ha perdido la conexión entre IBKR y Trader Workstation.",
        "IBKRとTrader Workstationの接続が切断されました。",
    ),
    1101: (
        "Die Verbindung zwischen IBKR und der Trader Workstation besteht wieder, ohne die Daten.",
        "La connexion entre IBKR et Trader Workstation est rétablie - données perdues.",
        "Se ha restablecido la conexión entre IBKR y Trader Workstation - datos perdidos.",
        "IBKRとTrader Workstationの接続が回復しました - データは失われました。",
    ),
    1102: (
        "Die Verbindung zwischen IBKR und der Trader Workstation besteht wieder, mit allen Daten.",
        "La connexion entre IBKR et Trader Workstation est rétablie - données conservées.",
        "Se ha restablecido la conexión entre IBKR y Trader Workstation - datos conservados.",
        "IBKRとTrader Workstationの接続が回復しました - データは維持されています。",
    ),
    2103: (
        "Verbindung zur Marktdatenfarm ist unterbrochen:{}",
        "La connexion à la ferme de données de marché est interrompue :{}",
        "La conexión con la granja de datos de mercado está interrumpida:{}",
        "マーケットデータファームの接続が切断されています:{}",
    ),
    2104: (
        "Verbindung zur Marktdatenfarm ist in Ordnung:{}",
        "La connexion à la ferme de données de marché est active :{}",
        "La conexión con la granja de datos de mercado es correcta:{}",
        "マーケットデータファームの接続は正常です:{}",
    ),
    2105: (
        "Verbindung zur HMDS-Datenfarm ist unterbrochen:{}",
        "La connexion à la ferme de données HMDS est interrompue :{}",
        "La conexión con la granja de datos HMDS está interrumpida:{}",
        "HMDSデータファームの接続が切断されています:{}",
    ),
    2106: (
        "Verbindung zur HMDS-Datenfarm ist in Ordnung:{}",
        "La connexion à la ferme de données HMDS est active :{}",
        "La conexión con la granja de datos HMDS es correcta:{}",
        "HMDSデータファームの接続は正常です:{}",
    ),
    2157: (
        "Verbindung zur Sec-def-Datenfarm ist unterbrochen:{}",
        "La connexion à la ferme de données sec-def est interrompue :{}",
        "La conexión con la granja de datos sec-def está interrumpida:{}",
        "Sec-defデータファームの接続が切断されています:{}",
    ),
    2158: (
        "Verbindung zur Sec-def-Datenfarm ist in Ordnung:{}",
        "La connexion à la ferme de données sec-def est active :{}",
        "La conexión con la granja de datos sec-def es correcta:{}",
        "Sec-defデータファームの接続は正常です:{}",
    ),
    10141: (
        "Der Haftungsausschluss für Papierhandel muss zuerst akzeptiert werden.",
        "L'avertissement relatif au compte fictif doit d'abord être accepté.",
        "Primero debe aceptarse el aviso legal de la cuenta simulada.",
        "API接続の前にペーパートレードの免責事項に同意する必要があります。",
    ),
    10167: (
        "Die angeforderten Marktdaten sind nicht abonniert. Es werden verzögerte Daten angezeigt.",
        "Les données demandées ne font pas l'objet d'un abonnement. Données différées affichées.",
        "Los datos solicitados no están suscritos. Se muestran datos con retraso.",
        "マーケットデータは購読されていません。遅延データを表示します。",
    ),
    10197: (
        "Keine Marktdaten während einer konkurrierenden Live-Sitzung",
        "Aucune donnée de marché pendant une session concurrente",
        "Sin datos de mercado durante una sesión simultánea",
        "競合するライブセッション中はマーケットデータがありません",
    ),
}


def translated(text: Text, language: str) -> Text:
    """Return a notice in a language, or as it is."""
    code, words = text
    known = _TEXTS.get(code)
    if known is None:
        return text
    return code, known[LANGUAGES.index(language)].format(words.rpartition(":")[2])
