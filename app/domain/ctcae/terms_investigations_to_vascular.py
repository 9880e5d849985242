"""CTCAE v5.0 terms of the organ classes from investigations to vascular, with their grades."""

from __future__ import annotations

# System organ class -> grades that exist -> terms, separated by semicolons.
TERMS: dict[str, dict[str, str]] = {
    "Investigations": {
        "12345": "Investigations - Other, specify",
        "1234": """
            Alanine aminotransferase increased; Alkaline phosphatase increased;
            Aspartate aminotransferase increased; Blood bilirubin increased;
            CD4 lymphocytes decreased; Cholesterol high; CPK increased; Creatinine increased;
            Electrocardiogram QT corrected interval prolonged; Fibrinogen decreased;
            Forced expiratory volume decreased; GGT increased; Lipase increased;
            Lymphocyte count decreased; Neutrophil count decreased; Platelet count decreased;
            Serum amylase increased; White blood cell decreased
            """,
        "123": """
            Activated partial thromboplastin time prolonged; Blood antidiuretic hormone abnormal;
            Blood corticotrophin decreased; Blood gonadotrophin abnormal;
            Carbon monoxide diffusing capacity decreased; Hemoglobin increased; INR increased;
            Pancreatic enzymes decreased; Vital capacity abnormal; Weight gain; Weight loss
            """,
        "234": "Ejection fraction decreased",
        "12": """
            Blood prolactin abnormal; Electrocardiogram T wave abnormal; Growth hormone abnormal
            """,
        "13": "Cardiac troponin I increased; Cardiac troponin T increased",
        "23": "Lymphocyte count increased",
        "34": "Urine output decreased",
        "1": """
            Blood bicarbonate decreased; Blood lactate dehydrogenase increased;
            Haptoglobin decreased; Thyroid stimulating hormone increased
            """,
    },
    "Metabolism and nutrition disorders": {
        "12345": """
            Anorexia; Dehydration; Glucose intolerance; Hypercalcemia; Hyperglycemia; Hyperkalemia;
            Hypernatremia; Hyperphosphatemia; Hypertriglyceridemia; Hypoalbuminemia; Hypocalcemia;
            Hypoglycemia; Hypokalemia; Hypomagnesemia; Hyponatremia; Hypophosphatemia;
            Metabolism and nutrition disorders - Other, specify
            """,
        "1234": "Hyperlipidemia",
        "1345": "Acidosis; Alkalosis; Hypermagnesemia; Hyperuricemia",
        "2345": "Alcohol intolerance; Iron overload",
        "234": "Obesity",
        "345": "Tumor lysis syndrome",
    },
    "Musculoskeletal and connective tissue disorders": {
        "12345": """
            Avascular necrosis; Fibrosis deep connective tissue; Osteonecrosis;
            Osteonecrosis of jaw; Rhabdomyolysis; Superficial soft tissue fibrosis;
            Musculoskeletal and connective tissue disorder - Other, specify
            """,
        "1234": "Myositis",
        "2345": """
            Abdominal soft tissue necrosis; Chest wall necrosis; Head soft tissue necrosis;
            Neck soft tissue necrosis; Pelvic soft tissue necrosis; Soft tissue necrosis lower limb;
            Soft tissue necrosis upper limb
            """,
        "123": """
            Arthralgia; Arthritis; Back pain; Bone pain; Buttock pain; Chest wall pain; Exostosis;
            Flank pain; Generalized muscle weakness; Growth suppression; Joint effusion;
            Joint range of motion decreased; Joint range of motion decreased cervical spine;
            Joint range of motion decreased lumbar spine; Kyphosis; Lordosis; Muscle cramp;
            Muscle weakness lower limb; Muscle weakness trunk; Muscle weakness upper limb;
            Musculoskeletal deformity; Myalgia; Neck pain; Osteoporosis; Pain in extremity;
            Rotator cuff injury; Scoliosis; Trismus; Unequal limb length
            """,
    },
    "Neoplasms benign, malignant and unspecified (incl cysts and polyps)": {
        "12345": """
            Tumor hemorrhage;
            Neoplasms benign, malignant and unspecified (incl cysts and polyps) - Other, specify
            """,
        "123": "Tumor pain",
        "345": "Treatment related secondary malignancy",
        "12": "Skin papilloma",
        "45": "Leukemia secondary to oncology chemotherapy; Myelodysplastic syndrome",
    },
    "Nervous system disorders": {
        "12345": """
            Arachnoiditis; Central nervous system necrosis; Cerebrospinal fluid leakage;
            Depressed level of consciousness; Encephalopathy; Extrapyramidal disorder;
            Glossopharyngeal nerve disorder; Guillain-Barre syndrome; Hydrocephalus;
            Intracranial hemorrhage; Leukoencephalopathy; Meningismus; Myasthenia gravis;
            Peripheral motor neuropathy; Pyramidal tract syndrome; Radiculitis;
            Recurrent laryngeal nerve palsy; Seizure; Somnolence; Spasticity; Stroke;
            Vagus nerve disorder; Nervous system disorders - Other, specify
            """,
        "1234": "Peripheral sensory neuropathy",
        "2345": "Reversible posterior leukoencephalopathy syndrome",
        "123": """
            Abducens nerve disorder; Accessory nerve disorder; Acoustic nerve disorder NOS;
            Akathisia; Amnesia; Ataxia; Brachial plexopathy; Cognitive disturbance;
            Concentration impairment; Dizziness; Dysarthria; Dysesthesia; Dysphasia;
            Facial muscle weakness; Facial nerve disorder; Headache; Hypersomnia;
            Hypoglossal nerve disorder; Memory impairment; Movements involuntary;
            Muscle weakness left-sided; Muscle weakness right-sided; Neuralgia;
            Oculomotor nerve disorder; Paresthesia; Phantom pain; Tendon reflex decreased; Tremor;
            Trigeminal nerve disorder; Trochlear nerve disorder
            """,
        "345": "Edema cerebral; Spinal cord compression; Vasovagal reaction",
        "12": "Dysgeusia; Ischemia cerebrovascular; Lethargy; Transient ischemic attacks",
        "23": "Nystagmus; Olfactory nerve disorder",
        "1": "Anosmia",
        "2": "Presyncope",
        "3": "Aphonia; Syncope",
    },
    "Pregnancy, puerperium and perinatal conditions": {
        "12345": "Pregnancy, puerperium and perinatal conditions - Other, specify",
        "1234": "Premature delivery",
        "234": "Fetal growth retardation",
        "4": "Pregnancy loss",
    },
    "Psychiatric disorders": {
        "12345": """
            Delirium; Depression; Hallucinations; Mania; Psychosis;
            Psychiatric disorders - Other, specify
            """,
        "1234": "Agitation; Anxiety; Confusion; Personality change; Suicidal ideation",
        "2345": "Delusions",
        "123": "Euphoria; Insomnia; Irritability; Restlessness",
        "345": "Suicide attempt",
        "12": "Anorgasmia; Delayed orgasm; Libido decreased",
        "1": "Libido increased",
    },
    "Renal and urinary disorders": {
        "12345": """
            Chronic kidney disease; Cystitis noninfective; Hematuria; Renal calculi;
            Renal hemorrhage; Urinary retention; Urinary tract obstruction;
            Renal and urinary disorders - Other, specify
            """,
        "2345": "Bladder perforation; Urinary fistula",
        "123": "Bladder spasm; Proteinuria; Renal colic; Urinary incontinence; Urinary tract pain",
        "345": "Acute kidney injury; Nephrotic syndrome",
        "12": "Urinary frequency; Urinary urgency",
        "1": "Dysuria; Glucosuria; Hemoglobinuria; Urine discoloration",
    },
    "Reproductive system and breast disorders": {
        "12345": """
            Hematosalpinx; Menorrhagia; Ovarian hemorrhage; Ovarian rupture; Prostatic hemorrhage;
            Spermatic cord hemorrhage; Testicular hemorrhage; Uterine fistula; Uterine hemorrhage;
            Vaginal fistula; Vaginal hemorrhage;
            Reproductive system and breast disorders - Other, specify
            """,
        "1234": "Testicular disorder; Vaginal inflammation",
        "1235": "Vaginal stricture",
        "2345": "Vaginal perforation",
        "123": """
            Breast atrophy; Breast pain; Dysmenorrhea; Dyspareunia; Erectile dysfunction;
            Fallopian tube obstruction; Genital edema; Gynecomastia; Pelvic floor muscle weakness;
            Pelvic pain; Penile pain; Perineal pain; Prostatic obstruction; Prostatic pain;
            Scrotal pain; Spermatic cord obstruction; Testicular pain; Uterine obstruction;
            Uterine pain; Vaginal dryness; Vaginal obstruction; Vaginal pain
            """,
        "12": """
            Ejaculation disorder; Feminization acquired; Irregular menstruation; Lactation disorder;
            Nipple deformity; Vaginal discharge
            """,
        "1": "Oligospermia",
        "2": "Amenorrhea; Azoospermia; Ovulation pain; Premature menopause",
    },
    "Respiratory, thoracic and mediastinal disorders": {
        "12345": """
            Aspiration; Atelectasis; Bronchial fistula; Bronchial obstruction; Bronchial stricture;
            Bronchopleural fistula; Bronchopulmonary hemorrhage; Bronchospasm; Chylothorax; Dyspnea;
            Epistaxis; Laryngeal edema; Laryngeal fistula; Laryngeal hemorrhage;
            Laryngeal mucositis; Laryngeal obstruction; Laryngeal stenosis;
            Laryngopharyngeal dysesthesia; Mediastinal hemorrhage; Pharyngeal fistula;
            Pharyngeal hemorrhage; Pharyngeal mucositis; Pharyngeal stenosis; Pleural effusion;
            Pleural hemorrhage; Pneumonitis; Pneumothorax; Pulmonary edema; Pulmonary fibrosis;
            Pulmonary fistula; Pulmonary hypertension; Retinoic acid syndrome; Sinus disorder;
            Sleep apnea; Tracheal fistula; Tracheal mucositis; Tracheal stenosis; Wheezing;
            Respiratory, thoracic and mediastinal disorders - Other, specify
            """,
        "2345": "Hypoxia; Laryngospasm",
        "123": """
            Cough; Hiccups; Hoarseness; Laryngeal inflammation; Nasal congestion;
            Oropharyngeal pain; Pharyngolaryngeal pain; Pleuritic pain; Productive cough;
            Sinus pain; Sore throat; Voice alteration
            """,
        "345": "Adult respiratory distress syndrome; Apnea; Pharyngeal necrosis; Stridor",
        "12": "Allergic rhinitis; Postnasal drip; Sneezing",
        "45": "Respiratory failure",
        "1": "Rhinorrhea",
    },
    "Skin and subcutaneous tissue disorders": {
        "12345": """
            Bullous dermatitis; Erythema multiforme; Photosensitivity; Rash acneiform;
            Skin induration; Skin ulceration;
            Skin and subcutaneous tissue disorders - Other, specify
            """,
        "2345": "Erythroderma; Hypohidrosis",
        "123": """
            Dry skin; Eczema; Fat atrophy; Hyperhidrosis; Lipohypertrophy; Pain of skin;
            Palmar-plantar erythrodysesthesia syndrome; Pruritus; Purpura; Rash maculo-papular;
            Scalp pain; Skin atrophy; Subcutaneous emphysema; Urticaria
            """,
        "345": "Stevens-Johnson syndrome",
        "12": """
            Alopecia; Body odor; Hirsutism; Hypertrichosis; Nail loss; Skin hyperpigmentation;
            Skin hypopigmentation; Telangiectasia
            """,
        "13": "Hyperkeratosis",
        "45": "Toxic epidermal necrolysis",
        "1": """
            Hair color changes; Hair texture abnormal; Nail changes; Nail discoloration;
            Nail ridging
            """,
    },
    "Social circumstances": {
        "12345": "Social circumstances - Other, specify",
    },
    "Surgical and medical procedures": {
        "12345": "Surgical and medical procedures - Other, specify",
    },
    "Vascular disorders": {
        "12345": """
            Capillary leak syndrome; Hematoma; Hypertension; Hypotension;
            Superior vena cava syndrome; Thromboembolic event; Vasculitis;
            Vascular disorders - Other, specify
            """,
        "2345": "Lymph leakage; Peripheral ischemia",
        "123": "Flushing; Hot flashes; Lymphedema; Lymphocele",
        "345": "Arterial thromboembolism",
        "2": "Phlebitis; Superficial thrombophlebitis",
    },
}
