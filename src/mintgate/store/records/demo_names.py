# ruff: noqa: RUF001 - Cyrillic letters are meant
"""Invented names for demonstration data, in English and Bulgarian."""

from __future__ import annotations

COMPANIES = (
    ("Rila Foods", "Рила Фуудс"),
    ("Balkan Timber", "Балкан Тимбер"),
    ("Maritsa Textiles", "Марица Текстил"),
    ("Iskar Logistics", "Искър Логистика"),
    ("Pirin Water", "Пирин Вода"),
    ("Struma Metals", "Струма Метали"),
    ("Rose Valley Cosmetics", "Розова Долина Козметика"),
    ("Black Sea Fishing", "Черноморски Риболов"),
    ("Vitosha Sports", "Витоша Спорт"),
    ("Dobrudzha Grain", "Добруджа Зърно"),
    ("Tundzha Motors", "Тунджа Мотор"),
    ("Sredna Gora Honey", "Средна Гора Мед"),
    ("Thracian Wines", "Тракийски Вина"),
    ("Kamchia Paper", "Камчия Хартия"),
    ("Danube Shipping", "Дунав Корабоплаване"),
    ("Perperikon Stone", "Перперикон Камък"),
    ("Osogovo Dairy", "Осогово Млекопреработка"),
    ("Strandzha Herbs", "Странджа Билки"),
    ("Yantra Glass", "Янтра Стъкло"),
    ("Mesta Furniture", "Места Мебели"),
    ("Northwind Bakery", None),
    ("Harbour Street Books", None),
    ("Alder & Finch", None),
    ("O'Neill Hardware", None),
    ("Kestrel Instruments", None),
    ("Bluebell Stationery", None),
    ("Müller Werkzeuge", None),
    ("Sønder Lys", None),
    ("Casa Verde Alimentos", None),
    ("Atelier Dubois", None),
)
BRANCHES = (
    ("", ""),
    (" Sofia", " София"),
    (" Plovdiv", " Пловдив"),
    (" Varna", " Варна"),
    (" Burgas", " Бургас"),
    (" Ruse", " Русе"),
    (" Trade", " Трейд"),
    (" Retail", " Ритейл"),
    (" Export", " Експорт"),
    (" Services", " Сървисиз"),
)
FORMS = ((" Ltd", " ООД"), (" AD", " АД"), (" EOOD", " ЕООД"))
PERSONS = (
    ("Mira Kolarova", "Мира Коларова"),
    ("Petar Donev", "Петър Донев"),
    ("Elena Stoyanova", "Елена Стоянова"),
    ("Georgi Yanev", "Георги Янев"),
    ("Kalina Marinova", "Калина Маринова"),
    ("Todor Vasilev", "Тодор Василев"),
    ("Radost Ilieva", "Радост Илиева"),
    ("Boyan Hristov", "Боян Христов"),
    ("Sarah Whitcombe", None),
    ("Jonas Lindqvist", None),
    ("Amara Osei", None),
    ("Lucas Ferreira", None),
)
CURRENCIES = (
    ("EUR", "Euro", "Евро"),
    ("BGN", "Bulgarian lev", "Български лев"),
    ("USD", "US dollar", "Щатски долар"),
    ("GBP", "Pound sterling", "Британска лира"),
    ("RON", "Romanian leu", "Румънска лея"),
)
CUSTOMER_TYPES = (
    ("RETAIL", "Retail", "Търговия на дребно"),
    ("WHOLE", "Wholesale", "Търговия на едро"),
    ("PARTNER", "Partner", "Партньор"),
    ("ONLINE", "Online shop", "Онлайн магазин"),
)
