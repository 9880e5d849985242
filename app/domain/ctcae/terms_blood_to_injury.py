"""CTCAE v5.0 terms of the organ classes from blood to injury, with the grades that exist."""

from __future__ import annotations

# System organ class -> grades that exist -> terms, separated by semicolons.
TERMS: dict[str, dict[str, str]] = {
    "Blood and lymphatic system disorders": {
        "12345": """
            Anemia; Bone marrow hypocellular; Hemolysis;
            Blood and lymphatic system disorders - Other, specify
            """,
        "2345": "Disseminated intravascular coagulation; Methemoglobinemia",
        "123": "Lymph node pain",
        "345": """
            Febrile neutropenia; Hemolytic uremic syndrome; Leukocytosis;
            Thrombotic thrombocytopenic purpura
            """,
        "13": "Eosinophilia",
    },
    "Cardiac disorders": {
        "12345": """
            Aortic valve disease; Atrial fibrillation; Atrial flutter; Conduction disorder;
            Heart failure; Mitral valve disease; Mobitz (type) II atrioventricular block;
            Mobitz type I; Paroxysmal atrial tachycardia; Pericarditis; Pulmonary valve disease;
            Restrictive cardiomyopathy; Right ventricular dysfunction; Sick sinus syndrome;
            Sinus bradycardia; Supraventricular tachycardia; Tricuspid valve disease;
            Ventricular arrhythmia; Cardiac disorders - Other, specify
            """,
        "2345": """
            Atrioventricular block complete; Myocardial infarction; Myocarditis;
            Pericardial effusion; Ventricular tachycardia
            """,
        "123": "Chest pain - cardiac; Sinus tachycardia",
        "145": "Asystole",
        "345": "Left ventricular systolic dysfunction",
        "12": "Atrioventricular block first degree; Palpitations",
        "45": "Cardiac arrest; Pericardial tamponade; Ventricular fibrillation",
        "2": "Cyanosis",
    },
    "Congenital, familial and genetic disorders": {
        "12345": "Congenital, familial and genetic disorders - Other, specify",
    },
    "Ear and labyrinth disorders": {
        "12345": "Middle ear inflammation; Ear and labyrinth disorders - Other, specify",
        "1234": "Hearing impaired",
        "123": "Ear pain; External ear pain; Tinnitus; Vertigo",
        "23": "Vestibular disorder",
    },
    "Endocrine disorders": {
        "12345": """
            Adrenal insufficiency; Hyperthyroidism; Hypoparathyroidism; Hypophysitis;
            Hypopituitarism; Hypothyroidism; Endocrine disorders - Other, specify
            """,
        "123": "Cushingoid",
        "12": "Hyperparathyroidism; Precocious puberty; Testosterone deficiency; Virilization",
        "23": "Delayed puberty",
        "2": "Growth accelerated",
    },
    "Eye disorders": {
        "1234": """
            Blurred vision; Cataract; Extraocular muscle paresis; Glaucoma; Keratitis;
            Night blindness; Optic nerve disorder; Papilledema; Retinopathy; Scleral disorder;
            Uveitis; Vitreous hemorrhage; Watering eyes; Eye disorders - Other, specify
            """,
        "123": """
            Dry eye; Eye pain; Eyelid function disorder; Flashing lights; Floaters;
            Periorbital edema; Photophobia
            """,
        "234": "Vision decreased",
        "12": "Retinal tear",
        "23": "Retinal vascular disorder",
        "34": "Corneal ulcer; Retinal detachment",
    },
    "Gastrointestinal disorders": {
        "12345": """
            Anal fistula; Anal hemorrhage; Anal stenosis; Anal ulcer; Ascites; Cecal hemorrhage;
            Chylous ascites; Colitis; Colonic fistula; Colonic hemorrhage; Colonic obstruction;
            Colonic stenosis; Colonic ulcer; Constipation; Diarrhea; Duodenal fistula;
            Duodenal hemorrhage; Duodenal obstruction; Duodenal stenosis; Duodenal ulcer; Dysphagia;
            Enterocolitis; Enterovesical fistula; Esophageal fistula; Esophageal hemorrhage;
            Esophageal obstruction; Esophageal stenosis; Esophageal ulcer; Esophagitis;
            Gastric fistula; Gastric hemorrhage; Gastric stenosis; Gastric ulcer; Gastritis;
            Gastrointestinal fistula; Hemorrhoidal hemorrhage; Ileal fistula; Ileal hemorrhage;
            Ileal obstruction; Ileal stenosis; Ileal ulcer; Ileus; Jejunal fistula;
            Jejunal hemorrhage; Jejunal obstruction; Jejunal stenosis; Jejunal ulcer;
            Lower gastrointestinal hemorrhage; Mucositis oral; Obstruction gastric;
            Oral cavity fistula; Oral hemorrhage; Pancreatic duct stenosis; Pancreatic fistula;
            Pancreatic hemorrhage; Proctitis; Rectal fistula; Rectal hemorrhage; Rectal mucositis;
            Rectal obstruction; Rectal stenosis; Rectal ulcer; Salivary duct inflammation;
            Salivary gland fistula; Small intestinal mucositis; Small intestinal obstruction;
            Small intestinal stenosis; Small intestine ulcer; Upper gastrointestinal hemorrhage;
            Vomiting; Gastrointestinal disorders - Other, specify
            """,
        "1234": "Gastroparesis",
        "2345": """
            Colonic perforation; Duodenal perforation; Esophageal perforation;
            Esophageal varices hemorrhage; Gastric perforation; Ileal perforation;
            Intra-abdominal hemorrhage; Jejunal perforation; Malabsorption; Pancreatitis;
            Rectal perforation; Retroperitoneal hemorrhage; Small intestinal perforation;
            Visceral arterial ischemia
            """,
        "123": """
            Abdominal distension; Abdominal pain; Anal fissure; Anal mucositis; Anal pain;
            Cheilitis; Dental caries; Dry mouth; Dyspepsia; Esophageal pain; Fecal incontinence;
            Gastroesophageal reflux disease; Gastrointestinal pain; Gingival pain; Hemorrhoids;
            Lip pain; Nausea; Oral dysesthesia; Oral pain; Periodontal disease; Rectal fissure;
            Rectal pain; Stomach pain; Tooth development disorder; Toothache
            """,
        "345": """
            Anal necrosis; Esophageal necrosis; Gastric necrosis; Pancreatic necrosis;
            Peritoneal necrosis; Rectal necrosis; Typhlitis
            """,
        "12": "Belching; Bloating; Flatulence",
        "1": "Tooth discoloration",
    },
    "General disorders and administration site conditions": {
        "12345": """
            Fever; Infusion site extravasation; Injection site reaction;
            General disorders and administration site conditions - Other, specify
            """,
        "1234": "Generalized edema; Neck edema",
        "2345": "Hypothermia",
        "123": """
            Chills; Edema face; Edema limbs; Edema trunk; Facial pain; Fatigue; Flu like symptoms;
            Gait disturbance; Localized edema; Malaise; Non-cardiac chest pain; Pain
            """,
        "345": "Multi-organ failure",
        "12": "Vaccination site lymphadenopathy",
        "4": "Death neonatal",
        "5": "Death NOS; Disease progression; Sudden death NOS",
    },
    "Hepatobiliary disorders": {
        "12345": """
            Bile duct stenosis; Gallbladder fistula; Gallbladder obstruction; Hepatic hemorrhage;
            Hepatobiliary disorders - Other, specify
            """,
        "2345": """
            Biliary fistula; Budd-Chiari syndrome; Cholecystitis; Portal hypertension;
            Portal vein thrombosis; Sinusoidal obstruction syndrome
            """,
        "123": "Gallbladder pain; Hepatic pain",
        "345": "Hepatic failure; Perforation bile duct",
        "45": "Gallbladder necrosis; Gallbladder perforation; Hepatic necrosis",
    },
    "Immune system disorders": {
        "12345": """
            Allergic reaction; Autoimmune disorder; Cytokine release syndrome; Serum sickness;
            Immune system disorders - Other, specify
            """,
        "345": "Anaphylaxis",
    },
    "Infections and infestations": {
        "12345": """
            Anorectal infection; Cytomegalovirus infection reactivation;
            Epstein-Barr virus infection reactivation; Gum infection; Hepatitis B reactivation;
            Hepatitis viral; Herpes simplex reactivation; Mucosal infection; Myelitis;
            Otitis externa; Papulopustular rash; Penile infection; Phlebitis infective;
            Scrotal infection; Shingles; Skin infection; Stoma site infection; Vaginal infection;
            Vulval infection; Wound infection; Infections and infestations - Other, specify
            """,
        "1234": "Conjunctivitis",
        "2345": """
            Abdominal infection; Biliary tract infection; Bladder infection; Bone infection;
            Breast infection; Bronchial infection; Catheter related infection; Cecal infection;
            Cervicitis infection; Corneal infection; Device related infection; Duodenal infection;
            Enterocolitis infectious; Esophageal infection; Eye infection; Gallbladder infection;
            Hepatic infection; Infective myositis; Joint infection; Kidney infection; Laryngitis;
            Lung infection; Lymph gland infection; Otitis media; Ovarian infection;
            Pelvic infection; Periorbital infection; Peripheral nerve infection; Pharyngitis;
            Pleural infection; Prostate infection; Salivary gland infection; Sinusitis;
            Small intestine infection; Soft tissue infection; Tooth infection; Tracheitis;
            Upper respiratory infection; Urethral infection; Urinary tract infection;
            Uterine infection
            """,
        "123": "Folliculitis; Lip infection; Nail infection; Paronychia; Thrush",
        "234": "Conjunctivitis infective; Endophthalmitis",
        "345": """
            Appendicitis; Appendicitis perforated; Arteritis infective; Cranial nerve infection;
            Encephalitis infection; Encephalomyelitis infection; Endocarditis infective;
            Mediastinal infection; Meningitis; Pancreas infection; Peritoneal infection; Sepsis;
            Splenic infection
            """,
        "23": "Fungemia; Rash pustular; Viremia",
        "2": "Bacteremia; Rhinitis infective",
    },
    "Injury, poisoning and procedural complications": {
        "12345": """
            Arterial injury; Biliary anastomotic leak; Bladder anastomotic leak; Burn;
            Dermatitis radiation; Esophageal anastomotic leak; Fallopian tube anastomotic leak;
            Fracture; Gastric anastomotic leak; Gastrointestinal anastomotic leak;
            Infusion related reaction; Injury to inferior vena cava; Injury to superior vena cava;
            Intestinal stoma leak; Intestinal stoma site bleeding; Intraoperative arterial injury;
            Intraoperative breast injury; Intraoperative ear injury;
            Intraoperative endocrine injury; Intraoperative gastrointestinal injury;
            Intraoperative head and neck injury; Intraoperative hepatobiliary injury;
            Intraoperative musculoskeletal injury; Intraoperative neurological injury;
            Intraoperative ocular injury; Intraoperative renal injury;
            Intraoperative reproductive tract injury; Intraoperative respiratory injury;
            Intraoperative urinary injury; Intraoperative venous injury; Kidney anastomotic leak;
            Large intestinal anastomotic leak; Pancreatic anastomotic leak;
            Pharyngeal anastomotic leak; Postoperative hemorrhage; Prolapse of intestinal stoma;
            Prolapse of urostomy; Radiation recall reaction (dermatologic); Rectal anastomotic leak;
            Small intestinal anastomotic leak; Spermatic cord anastomotic leak; Spinal fracture;
            Tracheal hemorrhage; Tracheal obstruction; Tracheostomy site bleeding;
            Ureteric anastomotic leak; Urethral anastomotic leak; Urostomy leak;
            Urostomy obstruction; Urostomy site bleeding; Uterine anastomotic leak;
            Vaginal anastomotic leak; Vas deferens anastomotic leak; Vascular access complication;
            Venous injury; Wound complication; Wound dehiscence;
            Injury, poisoning and procedural complications - Other, specify
            """,
        "1234": "Vaccination complication",
        "2345": """
            Aortic injury; Fallopian tube perforation; Gastrointestinal stoma necrosis;
            Injury to carotid artery; Injury to jugular vein; Intestinal stoma obstruction;
            Intraoperative splenic injury; Postoperative thoracic procedure complication;
            Stenosis of gastrointestinal stoma; Urostomy stenosis; Uterine perforation
            """,
        "123": "Ankle fracture; Fall; Seroma; Stomal ulcer; Wrist fracture",
        "234": "Hip fracture",
        "345": "Intraoperative cardiac injury; Intraoperative hemorrhage",
        "12": "Bruising",
    },
}
